// SPDX-License-Identifier: Apache-2.0

import { leavingAddressSet, nodesAddressSet } from "../../api/names.ts";
import { nodePortName } from "../../api/port-names.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { SubnetFact, SubnetGatewaysFact } from "../../facts/subnet.ts";
import type { Dual } from "../../net/dual.ts";
import type { PortRange } from "../../net/port-range.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { leavingSetId, nodePortId, nodesSetId, routerId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { activeGateways } from "./gateway-nodes.ts";
import { POLICY_PRIORITY } from "./router-policy-priorities.ts";

/** The lowest source port that Linux gives to a connection by default (`net.ipv4.ip_local_port_range`). */
const FIRST_OF_CLIENTS = 32_768;

const FAMILIES = [
  { family: "v4", number: 4, match: "ip4" },
  { family: "v6", number: 6, match: "ip6" },
] as const;

/** The Address_Sets to which nodes and subnets of the default VPC add their addresses. */
export function addGatewaySets(build: FragmentBuilder): void {
  for (const { number } of FAMILIES) {
    build.row("Address_Set", nodesSetId(number), { name: nodesAddressSet(number), external_ids: externalIds() });
    for (const how of ["distributed", "nat", "local"] as const)
      build.row("Address_Set", leavingSetId(how, number), {
        name: leavingAddressSet(how, number),
        external_ids: externalIds(),
      });
  }
}

/**
 * Adds how a subnet of the default VPC reaches destinations outside of it. Traffic between subnets stays in the router (31000); all other traffic
 * goes to the `ovn0` of a node (29000). A subnet with a distributed gateway only adds its range to an Address_Set, see {@link addNodeGateway}; a
 * centralized one has its own policy to its gateway nodes. While its two gateway nodes, all that the cluster has, cannot reach each other through tunnels,
 * a pod can only leave by its own node, as with a distributed gateway. Traffic to a node goes there inside OVN (30000), except to node ports, see {@link
 * nodePortMatch}.
 * @param gateways the gateway nodes of a centralized subnet.
 */
export function addSubnetGateway(
  build: FragmentBuilder,
  subnet: SubnetFact,
  cluster: ClusterFact,
  gateways: SubnetGatewaysFact | undefined,
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
    if (subnet.gatewayType === "distributed" || gateways?.split === true) {
      build.member("Address_Set", leavingSetId("distributed", number), "addresses", block);
      if (natOutgoing) build.member("Address_Set", leavingSetId("nat", number), "addresses", block);
      continue;
    }
    const hops = activeGateways(subnet, gateways).flatMap((node) => {
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
 * Adds the policy by which pods of distributed subnets leave through this node, if it is their own. Router policies are evaluated where a packet
 * enters the router, which is on the sender's node, and a node's own port is only there. So one policy for each node serves the pods of all subnets,
 * with any source address of the subnets, also that of a Vip that several pods share. Only the node itself has the flows (ovn-controller evaluates
 * `is_chassis_resident`), one for each range.
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
    const from = (how: "distributed" | "nat" | "local"): string =>
      `${match}.src == $${leavingAddressSet(how, number)} && ${here}`;
    policy("gateway", POLICY_PRIORITY.gateway, from("distributed"));
    if (cluster.nodePorts === undefined) continue;
    policy("node-ports", POLICY_PRIORITY.nodePort, `${from("nat")} && ${nodePortMatch(number, cluster.nodePorts)}`);
    const replies = nodePortMatch(number, cluster.nodePorts, FIRST_OF_CLIENTS);
    policy("replies", POLICY_PRIORITY.reply, `${from("local")} && ${replies}`);
  }
}

/**
 * Matches what pods send to a node port of a node. It leaves through their own node and arrives at the other node with that node's address, like
 * traffic from outside: with the pod's address, kube-proxy would treat it as traffic from inside the cluster and ignore `externalTrafficPolicy:
 * Local`.
 *
 * The same is true for replies. A node connects to node ports from a source port of the node port range (`compileHostRules`). So if a pod behind a
 * node port of its own node sees another node as the client (`externalTrafficPolicy: Local`), its reply goes through its node, which must translate
 * the address back. Other replies to nodes are sent to them directly. In subnets without `natOutgoing`, whose pods keep their addresses in requests to
 * node ports, replies are distinguished by their sources: endpoints of such Services, from a port below those that Linux gives to clients.
 * @param below the source port is below it.
 */
function nodePortMatch(family: 4 | 6, { first, last }: PortRange, below?: number): string {
  const ports = (["tcp", "udp", "sctp"] as const).map(
    (name) =>
      `(${name}.dst >= ${first} && ${name}.dst <= ${last}${below === undefined ? "" : ` && ${name}.src < ${below}`})`,
  );
  return `ip${family}.dst == $${nodesAddressSet(family)} && (${ports.join(" || ")})`;
}
