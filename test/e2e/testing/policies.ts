// SPDX-License-Identifier: Apache-2.0

import { until } from "../../../hack/lab/wait.ts";
import { type Exec, urlHost } from "../../../hack/traffic/probe.ts";
import { NETWORK_POLICIES } from "../../../src/kube/resources.ts";
import type { Thing } from "./objects.ts";
import { addressesOf, inPod } from "./pods.ts";
import { syncNodes, type World } from "./world.ts";

/** Whether a TCP connection opens within a second. */
export async function connects(exec: Exec, address: string, port: number): Promise<boolean> {
  const url = `http://${urlHost(address)}:${port}/hostname`;
  return (await exec(["curl", "-sS", "-g", "--noproxy", "*", "--max-time", "1", "-o", "/dev/null", url])).code === 0;
}

/** Waits until `from` can, or cannot, connect to `to` over both families. */
export async function settles(from: Thing, to: Thing, port: number, open: boolean, ms = 15_000): Promise<void> {
  const what = `${from.metadata.name} ${open ? "connects" : "does not connect"} to port ${port} of ${to.metadata.name}`;
  const exec = inPod(from);
  await until(
    what,
    ms,
    async () =>
      (await Promise.all(addressesOf(to).map((address) => connects(exec, address, port)))).every((ok) => ok === open),
    20,
  );
}

/** Creates a NetworkPolicy. */
export function createPolicy(world: World, namespace: string, name: string, spec: object): Promise<unknown> {
  return world.kube.create(NETWORK_POLICIES, { metadata: { namespace, name }, spec });
}

/** Waits until a NetworkPolicy applies on all nodes, for rules whose effect no connection shows. */
export async function policyApplies(world: World, namespace: string, name: string): Promise<void> {
  await world.nb.until(`the rules of policy ${namespace}/${name}`, () =>
    [...world.nb.mirror.rows("ACL")].some(({ external_ids: ids }) => ids["policy"] === `np/${namespace}/${name}`),
  );
  await syncNodes(world);
}

/** Deletes a NetworkPolicy. */
export function deletePolicy(world: World, namespace: string, name: string): Promise<unknown> {
  return world.kube.delete(NETWORK_POLICIES, { namespace, name });
}
