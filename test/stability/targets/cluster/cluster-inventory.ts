// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { IPS, NAMESPACES } from "../../../../src/kube/resources.ts";
import type { Inventory } from "../../../e2e/testing/inventory.ts";
import { CLUSTER_PARTS, isPartName } from "../parts.ts";
import { runsInPod } from "../pod-parts.ts";
import type { Target } from "../target.ts";
import { AGENTS } from "./agents.ts";

const LINKS = z.array(z.object({ ifname: z.string().optional() }));

/** What pods leave in the northbound database, in Kubernetes and on the nodes, and how many processes of each part run; read by commands on the nodes. */
export async function clusterInventory(target: Target): Promise<Inventory> {
  const { nodes, kube } = target;
  const inventory: Record<string, readonly string[]> = {};
  const names = async (type: typeof IPS): Promise<readonly string[]> =>
    (await kube.list(type)).items.map(({ metadata }) => metadata.name).sort();
  inventory["IP objects"] = await names(IPS);
  inventory["namespaces"] = (await names(NAMESPACES)).filter((name) => name !== AGENTS);
  for (const node of nodes) {
    const links = await target.command(node, ["ip", "-json", "link", "show", "type", "veth"]);
    inventory[`${node}: veth`] = LINKS.parse(JSON.parse(links === "" ? "[]" : links))
      .flatMap(({ ifname }) => ifname ?? [])
      .sort();
  }
  for (const part of Object.keys(CLUSTER_PARTS)) {
    if (!isPartName(part) || !runsInPod(part)) continue;
    const found = await target.processes({ name: part });
    const places = found.map(({ node }) => node).sort();
    inventory[`processes of ${part}`] = CLUSTER_PARTS[part].perNode ? places : [`${places.length} of them`];
    if (part === "vswitchd")
      for (const process of found)
        inventory[`${process.node}: br-int`] = lines(
          await target.beside(process, ["ovs-vsctl", "list-ports", "br-int"]),
        );
    const [first] = found;
    if (part === "nb" && first !== undefined) {
      const list = ["ovn-nbctl", "--no-leader-only", "--bare", "--columns=name", "list", "Logical_Switch_Port"];
      inventory["logical switch ports"] = lines(await target.beside(first, list));
    }
  }
  return inventory;
}

function lines(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}
