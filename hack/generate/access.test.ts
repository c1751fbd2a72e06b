// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { generateAccess, roleTemplate } from "./access.ts";

t.test("the chart's ClusterRole of the controller is that of the kinds", async (t) => {
  t.strictSame(await generateAccess({ check: true }), [], "stale: run `npm run generate -- access`");
  t.notMatch(roleTemplate(), /"\*"/, "nothing is allowed of everything");
});
