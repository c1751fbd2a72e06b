// SPDX-License-Identifier: Apache-2.0

import type { Lab } from "../../../../hack/lab/lab.ts";
import { EXTERNAL_ID } from "../../../../src/daemon/ovs/ports.ts";
import type { Inventory } from "../../../e2e/testing/inventory.ts";
import { takeInventory } from "../../../e2e/testing/inventory.ts";
import { openWorld } from "../../../e2e/testing/world.ts";
import { CLUSTER_PARTS, isPartName } from "../parts.ts";
import { runsInPod } from "../pod-parts.ts";
import { podProcesses } from "./lab-processes.ts";

/**
 * Interfaces by the pods that they belong to, where they are known: a pod that stays has a new one, with another name, after its node has crashed.
 */
export function byPod(names: readonly string[], interfaces: readonly PodInterface[]): readonly string[] {
  const known = new Map(interfaces.map(({ name, external_ids: ids }) => [name, ids]));
  return names
    .map((name) => {
      const ids = known.get(name);
      const pod = ids?.[EXTERNAL_ID.podName];
      return pod === undefined ? name : `${ids?.[EXTERNAL_ID.podNamespace]}/${pod} ${ids?.[EXTERNAL_ID.ifName]}`;
    })
    .sort();
}

interface PodInterface {
  readonly name: string;
  readonly external_ids: Readonly<Record<string, string>>;
}

/**
 * What pods leave in the databases, in Kubernetes and on the nodes (`takeInventory`), the network namespaces of each node, and how many processes of each
 * part run. Connections are opened each time, because a node that has crashed since has other sockets.
 */
export async function labInventory(lab: Lab): Promise<Inventory> {
  const ends: (() => unknown)[] = [];
  const world = await openWorld({ teardown: (end) => void ends.push(end) });
  try {
    const inventory: Record<string, readonly string[]> = { ...(await takeInventory(world)) };
    for (const node of lab.nodes) {
      const interfaces = [...world.ovs(node).mirror.rows("Interface")];
      for (const place of [`${node}: veth`, `${node}: br-int`])
        inventory[place] = byPod(inventory[place] ?? [], interfaces);
      const { stdout } = await lab.node(node).exec(["ip", "-json", "netns", "list"]);
      const spaces = JSON.parse(stdout.trim() === "" ? "[]" : stdout) as readonly { readonly name: string }[];
      inventory[`${node}: network namespaces`] = [String(spaces.length)];
    }
    inventory["namespaces"] = world.namespaces
      .values()
      .map(({ metadata }) => metadata.name)
      .sort();
    for (const part of Object.keys(CLUSTER_PARTS)) {
      if (!isPartName(part) || !runsInPod(part)) continue;
      const nodes = podProcesses(lab.paths.cgroup, part).map(({ node }) => node);
      // A Deployment's pod may be on another node.
      inventory[`processes of ${part}`] = CLUSTER_PARTS[part].perNode ? nodes.sort() : [`${nodes.length} of them`];
    }
    return inventory;
  } finally {
    for (const end of ends) await end();
  }
}
