// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { movingNode } from "./moving-node.ts";
import { addDeadEnd } from "./vlan-links.ts";

/** The sub-interface of {@link vlanNode}, and the port that takes its place. */
export const VLAN = "eth1.100";
export const VLAN_PORT = "br-net-vlan100";

/** A node with a VLAN sub-interface, which has addresses and routes. Returns what there is for the node's own traffic. */
export async function vlanNode(t: Test) {
  const node = await movingNode(t);
  addDeadEnd(node.ip, VLAN, "02:00:00:00:77:11", 1400);
  for (const line of [
    `link set ${VLAN} up`,
    `address add 10.100.0.11/24 dev ${VLAN}`,
    `address add 2001:db8:100::11/64 dev ${VLAN} nodad`,
    `route add 10.200.0.0/16 via 10.100.0.1 dev ${VLAN}`,
    `neighbour add 10.100.0.9 lladdr 02:00:00:00:99:09 dev ${VLAN} nud permanent`,
  ])
    node.ip(...line.split(" "));
  /** Without the routes of several next hops, which are eth1's. */
  const look = (device: string): string => node.look(device).replaceAll(/^nexthop .*\n?/gm, "");
  /** The sub-interface and the port, as far as they exist. */
  const links = (): readonly string[] => {
    const text = node.ip("-oneline", "link", "show");
    return [VLAN, VLAN_PORT].filter((name) => text.includes(` ${name}@`));
  };
  return { node, before: look(VLAN), look, links };
}
