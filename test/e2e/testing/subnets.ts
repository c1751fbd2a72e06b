// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { SUBNETS } from "../../../src/kube/resources.ts";
import type { Thing } from "./objects.ts";
import type { World } from "./world.ts";

/** A condition of a Subnet. */
export interface ShownCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** The condition Ready of a Subnet or Vpc. */
export function readiness(object: Thing | undefined): ShownCondition | undefined {
  const conditions: readonly ShownCondition[] = object?.status?.conditions ?? [];
  return conditions.find(({ type }) => type === "Ready");
}

/** Creates a Subnet; it is deleted at the end of the test, if it still exists. Remains of an interrupted run are deleted first. */
export async function useSubnet(t: Test, world: World, name: string, spec: object): Promise<void> {
  if (world.subnets.get(name) !== undefined) {
    await world.kube.delete(SUBNETS, { name });
    await world.subnets.gone(name);
  }
  await world.kube.create<Thing>(SUBNETS, { metadata: { name }, spec, status: {} });
  t.teardown(async () => {
    if (world.subnets.get(name) !== undefined) await world.kube.delete(SUBNETS, { name });
  });
}

/** Waits until a Subnet's condition Ready has that reason: `Ready`, or why it is not accepted. */
export function judged(world: World, name: string, reason = "Ready"): Promise<ShownCondition> {
  return world.subnets.until(name, `is ${reason}`, (subnet) => {
    const condition = readiness(subnet);
    return condition?.reason === reason ? condition : false;
  });
}

/** The logical switch of a subnet. */
export function switchOf(world: World, subnet: string) {
  return [...world.nb.mirror.rows("Logical_Switch")].find(({ name }) => name === subnet);
}
