// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { useNamespace } from "../testing/pods.ts";
import { tryTlsChange } from "../testing/tls-change.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

t.test("TLS is turned off and on again", { skip: whyNoLab(), timeout: 600_000 }, async (t) => {
  const world = await openWorld(t);
  await tryTlsChange(t, world, await useNamespace(t, world, "weft-tls-change"));
});
