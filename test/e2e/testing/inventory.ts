// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { samePlain } from "../../../src/collections/plain.ts";
import type { World } from "./world.ts";

/** Everything that exists because of pods, and with other readers of VPCs and Services: by place, sorted. */
export type Inventory = Readonly<Record<string, readonly string[]>>;

/**
 * The objects of pods: on each node ports of br-int and host ends of veth pairs, in the northbound database ports, in
 * Kubernetes IP objects. Two of these are equal if nothing was leaked and nothing lost.
 */
export async function takeInventory(world: World): Promise<Inventory> {
  const { lab, nb, ips } = world;
  const places: Record<string, readonly string[]> = {
    "logical switch ports": [...nb.mirror.rows("Logical_Switch_Port")].map(({ name }) => name),
    "IP objects": ips.values().map(({ metadata }) => metadata.name),
  };
  for (const node of lab.nodes) {
    const { stdout } = await lab.node(node).exec(["ip", "-json", "link", "show", "type", "veth"]);
    const links = JSON.parse(stdout) as readonly { readonly ifname?: string }[];
    places[`${node}: veth`] = links.flatMap(({ ifname }) => ifname ?? []);
    const { mirror } = world.ovs(node);
    const bridge = [...mirror.rows("Bridge")].find(({ name }) => name === "br-int");
    places[`${node}: br-int`] = (bridge?.ports ?? []).map((uuid) => mirror.get("Port", uuid)?.name ?? uuid);
    places[`${node}: broken ports`] = [...mirror.rows("Interface")].filter((row) => row.error).map(({ name }) => name);
  }
  return Object.fromEntries(Object.entries(places).map(([place, names]) => [place, [...names].sort()]));
}

/**
 * Asserts that the inventory is the same as `before`, after some time for removals: kubelet removes the sandbox of a pod that was
 * force deleted after the pod.
 */
export async function sameInventory(t: Test, world: World, before: Inventory, message: string): Promise<void> {
  const isSame = async (): Promise<boolean> => samePlain(await takeInventory(world), before);
  // The assertion shows the remaining differences.
  await until(message, 20_000, isSame, 100).catch(() => undefined);
  t.strictSame(await takeInventory(world), before, message);
}
