// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE } from "../../api/names.ts";
import type { SubnetContract } from "../../contract/subnet.ts";
import type { Ip } from "../../net/address.ts";
import type { Cidr } from "../../net/cidr.ts";
import { TRANSLATED_MARK } from "../../node/marks.ts";
import type { RouteState, RuleState } from "../../node/state.ts";

/** What of one range of a subnet goes to a router outside (`externalEgressGateway`) and not by the node's main table. */
export interface EgressPlan {
  readonly source: Cidr;
  readonly gateway: Ip;
  /** The interface on whose link the router is; undefined where it is on none of this node. */
  readonly link: string | undefined;
  readonly table: number;
  readonly priority: number;
}

/** Behind any route by a link, and ahead of nothing. */
const LAST_METRIC = 0x7fff_ffff;

/**
 * The rules follow what comes from pods by `ovn0`, and what of a subnet leaves by this node is the router's choice in OVN (the pod's own node, or a gateway node). So all nodes have the
 * same rules, one for each range, whatever the gateway type and wherever pods are. A node that is the router itself has none.
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

/** What kube-proxy has translated goes to pods and nodes, not outside; what is for this node itself is decided before (table local, rule 0). */
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

/** While the router is on no link, packets are rejected: by the main table they would leave by another router. */
export function egressRoutes(plans: readonly EgressPlan[]): readonly RouteState[] {
  return plans.flatMap(({ source: { family }, gateway, link, table }): RouteState[] => {
    const destination = family === 4 ? "0.0.0.0/0" : "::/0";
    return [
      ...(link === undefined ? [] : [{ link, destination, gateway: gateway.text, table }]),
      { type: "unreachable", destination, table, metric: LAST_METRIC },
    ];
  });
}

/** Marks what kube-proxy has translated, before the route is looked up. */
export function markChain(): readonly string[] {
  const bit = `0x${TRANSLATED_MARK.toString(16).padStart(8, "0")}`;
  return [
    "  chain translated {",
    "    type filter hook prerouting priority dstnat + 1; policy accept;",
    `    iifname "${NODE_INTERFACE}" ct status dnat meta mark set meta mark or ${bit} comment "not by externalEgressGateway"`,
    "  }",
  ];
}
