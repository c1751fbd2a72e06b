// SPDX-License-Identifier: Apache-2.0

import { addressOf } from "../../../hack/lab/topology.ts";
import type { Thing } from "./objects.ts";
import type { World } from "./world.ts";

/** The value of a controller's metric without labels; NaN if it does not exist. */
export async function controllerFigure(world: World, controller: Thing, name: string): Promise<number> {
  const node: string = controller.spec.nodeName;
  const url = `http://${addressOf(node).v4}:10660/metrics`;
  const { stdout } = await world.lab.node(node).exec(["curl", "-sS", "--max-time", "5", url]);
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(stdout)?.[1]);
}
