// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE } from "../../api/names.ts";
import type { SubnetContract } from "../../contract/subnet.ts";
import type { Ip } from "../../net/address.ts";
import type { Cidr } from "../../net/cidr.ts";
import { TRANSLATED_MARK } from "../../node/marks.ts";
import type { RouteState, RuleState } from "../../node/state.ts";

/**
 * The part of a subnet's traffic that is sent to an external router (`externalEgressGateway`) instead of by the
 * node's main table.
 */
export interface EgressPlan {
  readonly source: Cidr;
  readonly gateway: Ip;
  /** The interface whose link the router is on; undefined if the node has no such link. */
  readonly link: string | undefined;
  readonly table: number;
  readonly priority: number;
}

/** Used only if no route by a link exists. */
const LAST_METRIC = 0x7fff_ffff;

/**
 * The rules match packets that arrive from pods by `ovn0`. OVN's logical router decides which subnets' packets leave
 * by this node (the pod's node, or a gateway node). So all nodes have the same rules, one for each range, for every
 * gateway type and pod placement. A node that is itself the router has none.
 */
export function planEgress(
  subnets: Iterable<SubnetContract>,
  node: { isLocal(ip: Ip): boolean; linkTo(ip: Ip): string | undefined },
): readonly EgressPlan[] {
  const plans: EgressPlan[] = [];
  for (const { cidrs, egress } of subnets) {
    if (egress === undefined) continue;
    const { gateways, table, priority } = egress;
    for (const source of cidrs) {
      const gateway = gateways.find(({ family }) => family === source.family);
      if (gateway === undefined || node.isLocal(gateway)) continue;
      plans.push({ source, gateway, link: node.linkTo(gateway), table, priority });
    }
  }
  return plans;
}

/**
 * Packets that kube-proxy has translated go to pods and nodes, not outside; packets for this node itself match the
 * local table (rule 0) first.
 */
export function egressRules(plans: readonly EgressPlan[]): readonly RuleState[] {
  return plans.map(({ source, table, priority }) => ({
    family: source.family,
    priority,
    source: source.text,
    inputInterface: NODE_INTERFACE,
    mark: 0,
    mask: TRANSLATED_MARK,
    table,
  }));
}

/** While the router is on no link, packets are rejected: the main table would send them by another router. */
export function egressRoutes(plans: readonly EgressPlan[]): readonly RouteState[] {
  return plans.flatMap(({ source: { family }, gateway, link, table }): RouteState[] => {
    const destination = family === 4 ? "0.0.0.0/0" : "::/0";
    return [
      ...(link === undefined ? [] : [{ link, destination, gateway: gateway.text, table }]),
      { type: "unreachable", destination, table, metric: LAST_METRIC },
    ];
  });
}

/** Marks packets that kube-proxy has translated, before the routing decision. */
export function markChain(): readonly string[] {
  const bit = `0x${TRANSLATED_MARK.toString(16).padStart(8, "0")}`;
  return [
    "  chain translated {",
    "    type filter hook prerouting priority dstnat + 1; policy accept;",
    `    iifname "${NODE_INTERFACE}" ct status dnat meta mark set meta mark or ${bit} comment "not by externalEgressGateway"`,
    "  }",
  ];
}
