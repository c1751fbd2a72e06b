// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import type { Both } from "../../../hack/lab/topology.ts";
import { connectOutside } from "../../../hack/traffic/outside-network.ts";
import type { World } from "./world.ts";

/** Connects the nodes and the outside host by a network of its own until the test's end: see {@link connectOutside}. */
export async function plugOutside(
  t: Test,
  { lab }: World,
  router: Both,
  addressOf: (node: number) => Both,
): Promise<void> {
  t.teardown(await connectOutside(lab, router, addressOf));
}
