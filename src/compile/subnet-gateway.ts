// SPDX-License-Identifier: Apache-2.0

import { spell } from "../api/name.ts";
import { nodesAddressSet, portGroupAddressSet, subnetPortGroupName } from "../api/names.ts";
import type { ClusterFact } from "../facts/cluster.ts";
import type { ChassisProblemFact } from "../facts/database.ts";
import type { NodeFact } from "../facts/node.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import type { Dual } from "../net/dual.ts";
import type { PortRange } from "../net/port-range.ts";
import { matchesLabels, selectorProblem } from "../policy/labels.ts";
import type { Note } from "./effects.ts";
import type { FragmentBuilder } from "./fragment-builder.ts";
import { routerId, subnetNodeGroupId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

/** A node and its addresses on the join switch. */
export interface JoinedNode {
  readonly name: string;
  readonly join: Dual<string>;
  /** Whether it may be a gateway of the subnet, where that is centralized. */
  readonly gateway?: "ready" | "not ready";
}

/**
 * The state of a node as a gateway of a subnet; nothing where it is none. One is ready whose kubelet says so and of which OVN has a chassis: without
 * one, what is led to the node goes nowhere.
 */
export function gatewayReadiness(
  subnet: SubnetFact,
  { name, labels, ready }: NodeFact,
  chassis: ChassisProblemFact | undefined,
): JoinedNode["gateway"] {
  if (subnet.gatewayType !== "centralized") return undefined;
  const { gatewayNodes, gatewayNodeSelectors } = subnet;
  const is =
    gatewayNodes.length > 0
      ? gatewayNodes.includes(name)
      : gatewayNodeSelectors.some(
          (selector) => selectorProblem(selector) === undefined && matchesLabels(selector, labels),
        );
  if (!is) return undefined;
  return ready && chassis?.reason !== "ChassisMissing" ? "ready" : "not ready";
}

/**
 * The nodes that carry the traffic of a centralized subnet now: those that are ready, the first of them in the order of `gatewayNode` where it has
 * no ECMP. Where none is ready all stand: one that is said not to be may still forward.
 */
export function activeGateways(subnet: SubnetFact, nodes: readonly JoinedNode[]): readonly JoinedNode[] {
  const place = ({ name }: JoinedNode): number => subnet.gatewayNodes.indexOf(name);
  const all = nodes.filter((node) => node.gateway !== undefined).sort((a, b) => place(a) - place(b));
  const ready = all.filter(({ gateway }) => gateway === "ready");
  const usable = ready.length > 0 ? ready : all;
  return subnet.enableEcmp ? usable : usable.slice(0, 1);
}

/** What is wrong with the gateway of a centralized subnet. */
export function gatewayNotes(subnet: SubnetFact, nodes: readonly JoinedNode[]): readonly Note[] {
  if (subnet.gatewayType !== "centralized") return [];
  const { gatewayNodes, gatewayNodeSelectors } = subnet;
  const known = nodes.filter(({ gateway }) => gateway !== undefined);
  const missing = gatewayNodes.filter((name) => !known.some((node) => node.name === name));
  const lost = "pods of the subnet have no connectivity outside the VPC";
  const none = (why: string): readonly Note[] => [{ reason: "NoReadyGateway", message: `${why}: ${lost}` }];
  if (gatewayNodes.length + gatewayNodeSelectors.length === 0)
    return none(
      "spec.gatewayType is centralized, and neither spec.gatewayNode nor spec.gatewayNodeSelectors names a node",
    );
  const field = gatewayNodes.length > 0 ? `spec.gatewayNode "${gatewayNodes.join(",")}"` : "spec.gatewayNodeSelectors";
  if (known.length === 0) return none(`no node of ${field} exists`);
  if (known.every(({ gateway }) => gateway === "not ready")) {
    const message = `no node of ${field} is ready; ${activeGateways(subnet, nodes)
      .map(({ name }) => name)
      .join(", ")} may not carry the subnet's traffic`;
    return [{ reason: "NoReadyGateway", message }];
  }
  if (missing.length === 0) return [];
  return [{ reason: "NodeNotFound", message: `spec.gatewayNode names nodes that do not exist: ${missing.join(", ")}` }];
}

/** Priorities of Kube-OVN's Logical_Router_Policy rows; `nodePort` is our own, and `shared`, for addresses that pods share. */
export const POLICY_PRIORITY = { subnet: 31000, nodePort: 30500, node: 30000, shared: 29001, gateway: 29000 } as const;

const FAMILIES = [
  { family: "v4", number: 4, match: "ip4" },
  { family: "v6", number: 6, match: "ip6" },
] as const;

/**
 * How a subnet of the default VPC reaches what is outside it. Traffic between subnets stays in the router (31000); all
 * other traffic goes to a node's `ovn0` (29000): the pod's own node where the gateway is distributed, so that the port
 * group `<subnet>.<node>` names the pods that leave there, or the gateway nodes where it is centralized. What is sent to a node goes there
 * inside OVN (30000), but for one thing, see {@link nodePortMatch}.
 */
export function addGatewayPolicies(
  build: FragmentBuilder,
  {
    subnet,
    cluster,
    nodes,
    takenGroups,
  }: {
    subnet: SubnetFact;
    cluster: ClusterFact;
    nodes: readonly JoinedNode[];
    /** The nodes of which the group's plain name is another one's. */
    takenGroups: readonly string[];
  },
): void {
  const { name, cidr } = subnet;
  const router = routerId(cluster.router);
  const policy = (
    id: string,
    columns: { priority: number; match: string; action: "allow" | "reroute"; nexthops?: readonly string[] },
    ids: Readonly<Record<string, string>> = {},
  ): void => {
    build.held("Logical_Router", router, "policies", "Logical_Router_Policy", `${name}/${id}`, {
      nexthops: [],
      ...columns,
      external_ids: externalIds({ subnet: name, ...ids }),
    });
  };
  for (const { family, match } of FAMILIES) {
    const block = cidr[family];
    if (block === undefined) continue;
    policy(`local/${family}`, { priority: POLICY_PRIORITY.subnet, match: `${match}.dst == ${block}`, action: "allow" });
  }
  if (name === cluster.joinSubnet) return;
  const nodePorts = subnet.natOutgoing ? cluster.nodePorts : undefined;
  if (subnet.gatewayType === "distributed") {
    for (const node of nodes) {
      const group = spell(subnetPortGroupName(name, node.name), takenGroups.includes(node.name));
      build.row("Port_Group", subnetNodeGroupId(name, node.name), {
        name: group,
        external_ids: externalIds({ node: node.name, np: `${name}/${node.name}`, subnet: name }),
      });
      for (const { family, number, match } of FAMILIES) {
        const hop = node.join[family];
        if (cidr[family] === undefined || hop === undefined) continue;
        const leaving = `${match}.src == $${portGroupAddressSet(group, number)}`;
        const way = { action: "reroute", nexthops: [hop] } as const;
        const ids = { node: node.name };
        policy(`gateway/${node.name}/${family}`, { ...way, priority: POLICY_PRIORITY.gateway, match: leaving }, ids);
        if (nodePorts === undefined) continue;
        const toNodePorts = `${leaving} && ${nodePortMatch(number, nodePorts)}`;
        policy(
          `node-ports/${node.name}/${family}`,
          { ...way, priority: POLICY_PRIORITY.nodePort, match: toNodePorts },
          ids,
        );
      }
    }
    return;
  }
  const active = activeGateways(subnet, nodes);
  for (const { family, number, match } of FAMILIES) {
    const block = cidr[family];
    const hops = active.flatMap((node) => {
      const hop = node.join[family];
      return hop === undefined ? [] : [{ node: node.name, hop }];
    });
    if (block === undefined || hops.length === 0) continue;
    const leaving = `${match}.src == ${block}`;
    const way = { action: "reroute", nexthops: hops.map(({ hop }) => hop).sort() } as const;
    const ids = Object.fromEntries(hops.map(({ node, hop }) => [node, hop]));
    policy(`gateway/${family}`, { ...way, priority: POLICY_PRIORITY.gateway, match: leaving }, ids);
    if (nodePorts === undefined) continue;
    const toNodePorts = `${leaving} && ${nodePortMatch(number, nodePorts)}`;
    policy(`node-ports/${family}`, { ...way, priority: POLICY_PRIORITY.nodePort, match: toNodePorts }, ids);
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
