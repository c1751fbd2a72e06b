// SPDX-License-Identifier: Apache-2.0

import { render } from "preact";
import { App } from "./app/app.tsx";
import { followAddress } from "./app/navigation.ts";
import { applySettings } from "./app/settings.ts";
import { askWhoIsLoggedIn } from "./client/session.ts";

applySettings();
followAddress();
void askWhoIsLoggedIn();
const place = document.getElementById("app");
if (place === null) throw new Error("index.html has no element #app");
render(<App />, place);
