// SPDX-License-Identifier: Apache-2.0

import type { Thing } from "./objects.ts";
import type { World } from "./world.ts";

/** The value of a controller's metric without labels; NaN if it does not exist. Read at the node's loopback address, which requires no token. */
export async function controllerFigure(world: World, controller: Thing, name: string): Promise<number> {
  const node: string = controller.spec.nodeName;
  const { stdout } = await world.lab
    .node(node)
    .exec(["curl", "-sS", "--max-time", "5", "http://127.0.0.1:10662/metrics"]);
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(stdout)?.[1]);
}
