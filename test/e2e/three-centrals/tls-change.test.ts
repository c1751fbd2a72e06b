// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { useNamespace } from "../testing/pods.ts";
import { whole, whyNotThreeCentrals } from "../testing/three-centrals.ts";
import { tryTlsChange } from "../testing/tls-change.ts";
import { openWorld } from "../testing/world.ts";

t.test("three centrals lose TLS and get it again", { skip: whyNotThreeCentrals(), timeout: 600_000 }, async (t) => {
  const world = await openWorld(t);
  await whole(world);
  await tryTlsChange(t, world, await useNamespace(t, world, "weft-tls-change"));
});
