// SPDX-License-Identifier: Apache-2.0

import { leavingAddressSet, nodesAddressSet } from "../../api/names.ts";
import { nodePortName } from "../../api/port-names.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { GatewayNodeFact, SubnetFact } from "../../facts/subnet.ts";
import type { Dual } from "../../net/dual.ts";
import type { PortRange } from "../../net/port-range.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";

import { leavingSetId, nodePortId, nodesSetId, routerId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** Priorities of Kube-OVN's Logical_Router_Policy rows; `nodePort` is our own. */
export const POLICY_PRIORITY = { subnet: 31000, nodePort: 30500, node: 30000, gateway: 29000 } as const;

const FAMILIES = [
  { family: "v4", number: 4, match: "ip4" },
  { family: "v6", number: 6, match: "ip6" },
] as const;

/** The Address_Sets to which nodes and subnets of the default VPC add their own. */
export function addGatewaySets(build: FragmentBuilder): void {
  for (const { number } of FAMILIES) {
    build.row("Address_Set", nodesSetId(number), { name: nodesAddressSet(number), external_ids: externalIds() });
    for (const how of ["distributed", "nat"] as const)
      build.row("Address_Set", leavingSetId(how, number), {
        name: leavingAddressSet(how, number),
        external_ids: externalIds(),
      });
  }
}

/**
 * How a subnet of the default VPC reaches what is outside it. Traffic between subnets stays in the router (31000); all
 * other traffic goes to a node's `ovn0` (29000). A subnet with a distributed gateway only adds its range to what leaves by the sender's node,
 * see {@link addNodeGateway}; a centralized one has a policy of its own, to its gateway nodes. What is sent to a node goes there
 * inside OVN (30000), but for one thing, see {@link nodePortMatch}.
 * @param active the gateway nodes that carry the traffic of a centralized subnet now.
 */
export function addSubnetGateway(
  build: FragmentBuilder,
  subnet: SubnetFact,
  cluster: ClusterFact,
  active: readonly GatewayNodeFact[],
): void {
  const { name, cidr, natOutgoing } = subnet;
  const policy = (
    id: string,
    columns: { priority: number; match: string; action: "allow" | "reroute"; nexthops?: readonly string[] },
    ids: Readonly<Record<string, string>> = {},
  ): void => {
    build.held("Logical_Router", routerId(cluster.router), "policies", "Logical_Router_Policy", `${name}/${id}`, {
      nexthops: [],
      ...columns,
      external_ids: externalIds({ subnet: name, ...ids }),
    });
  };
  for (const { family, number, match } of FAMILIES) {
    const block = cidr[family];
    if (block === undefined) continue;
    policy(`local/${family}`, { priority: POLICY_PRIORITY.subnet, match: `${match}.dst == ${block}`, action: "allow" });
    if (name === cluster.joinSubnet) continue;
    if (subnet.gatewayType === "distributed") {
      build.member("Address_Set", leavingSetId("distributed", number), "addresses", block);
      if (natOutgoing) build.member("Address_Set", leavingSetId("nat", number), "addresses", block);
      continue;
    }
    const hops = active.flatMap((node) => {
      const hop = node.join[family];
      return hop === undefined ? [] : [{ node: node.name, hop }];
    });
    if (hops.length === 0) continue;
    const leaving = `${match}.src == ${block}`;
    const way = { action: "reroute", nexthops: hops.map(({ hop }) => hop).sort() } as const;
    const ids = Object.fromEntries(hops.map(({ node, hop }) => [node, hop]));
    policy(`gateway/${family}`, { ...way, priority: POLICY_PRIORITY.gateway, match: leaving }, ids);
    if (!natOutgoing || cluster.nodePorts === undefined) continue;
    const toNodePorts = `${leaving} && ${nodePortMatch(number, cluster.nodePorts)}`;
    policy(`node-ports/${family}`, { ...way, priority: POLICY_PRIORITY.nodePort, match: toNodePorts }, ids);
  }
}

/**
 * How the pods of a node leave whose subnets have a distributed gateway: by that node. A router's policies are carried out where the packet enters the router,
 * which is on the sender's node, and a node's own port is nowhere else: so one policy for each node does for the pods of all subnets, whatever
 * address of the subnet they send from, that of a Vip which several pods share included. Only the node itself has flows of it (ovn-controller
 * evaluates `is_chassis_resident`), as many as there are ranges.
 * @param join the node's addresses on the join switch.
 */
export function addNodeGateway(build: FragmentBuilder, node: string, cluster: ClusterFact, join: Dual<string>): void {
  const here = `is_chassis_resident(${JSON.stringify(nodePortName(node))})`;
  for (const { family, number, match } of FAMILIES) {
    const hop = join[family];
    if (hop === undefined) continue;
    const policy = (id: string, priority: number, condition: string): void => {
      const owner = `${nodePortId(node)}/${id}/${family}`;
      build.held("Logical_Router", routerId(cluster.router), "policies", "Logical_Router_Policy", owner, {
        priority,
        match: condition,
        action: "reroute",
        nexthops: [hop],
        external_ids: externalIds({ node }),
      });
    };
    const from = (how: "distributed" | "nat"): string =>
      `${match}.src == $${leavingAddressSet(how, number)} && ${here}`;
    policy("gateway", POLICY_PRIORITY.gateway, from("distributed"));
    if (cluster.nodePorts === undefined) continue;
    policy("node-ports", POLICY_PRIORITY.nodePort, `${from("nat")} && ${nodePortMatch(number, cluster.nodePorts)}`);
  }
}

/**
 * What pods send to a node's port from the range of node ports. It leaves through their own node and comes to the other one as that node's,
 * like anything from outside: by its pod's address, kube-proxy would take it for the cluster's own and pass over
 * `externalTrafficPolicy: Local`.
 *
 * The same holds for answers. A node that speaks to a node port does so from a port of that range (`compileHostRules`): so a pod behind
 * a node port of its own node with `externalTrafficPolicy: Local`, which sees the other node's address as the client's, answers
 * through the node that has translated the address and must translate it back. Other answers to nodes go straight to them.
 */
function nodePortMatch(family: 4 | 6, { first, last }: PortRange): string {
  const ports = (["tcp", "udp", "sctp"] as const).map((name) => `(${name}.dst >= ${first} && ${name}.dst <= ${last})`);
  return `ip${family}.dst == $${nodesAddressSet(family)} && (${ports.join(" || ")})`;
}
