// SPDX-License-Identifier: Apache-2.0

import type { NatRule } from "../../contract/subnet.ts";
import type { Cidr } from "../../net/cidr.ts";
import { type PortRange, portRangeText } from "../../net/port-range.ts";
import { addresses, ip } from "./nft-text.ts";

/** The exceptions to `natOutgoing` of one subnet, in their order. */
export interface SubnetNatRules {
  readonly cidrs: readonly Cidr[];
  readonly natRules: readonly NatRule[];
}

/** The transport protocols that have ports. */
export const TRANSPORT = "meta l4proto { tcp, udp, sctp }";

/** Matches packets to a node port. */
export function toNodePorts({ nodePorts }: { readonly nodePorts: PortRange }): string {
  return `${TRANSPORT} th dport ${portRangeText(nodePorts)}`;
}

/**
 * A chain for each subnet with `natOutgoingPolicyRules`, in which the first matching rule decides, and the jumps to
 * the chains. Packets that no rule matches return to the subnet's general rule. (In Kube-OVN, `nat` decides if any
 * rule with it matches.)
 */
export function natRuleChains(
  family: 4 | 6,
  input: { readonly natRules: readonly SubnetNatRules[]; readonly nodePorts: PortRange },
): { readonly chains: readonly string[]; readonly jumps: readonly string[] } {
  const subnets = input.natRules
    .flatMap(({ cidrs, natRules }) =>
      cidrs.filter((cidr) => cidr.family === family).map((cidr) => ({ cidr, natRules })),
    )
    .map(({ cidr, natRules }) => ({ cidr, lines: natRules.flatMap((rule) => lines(family, rule, input)) }))
    .filter((subnet) => subnet.lines.length > 0)
    .sort((a, b) => (a.cidr.text < b.cidr.text ? -1 : 1));
  const named = subnets.map((subnet, i) => ({ ...subnet, chain: `nat-rules${family}-${i}` }));
  return {
    chains: named.flatMap((subnet) => [`  chain ${subnet.chain} {`, ...subnet.lines, "  }"]),
    jumps: named.map(({ cidr, chain }) => `    ${ip(family)} saddr ${cidr.text} jump ${chain}`),
  };
}

function lines(family: 4 | 6, rule: NatRule, input: { readonly nodePorts: PortRange }): readonly string[] {
  // The controller writes rules of one family each, and none without addresses.
  if ([...rule.source, ...rule.destination].some((cidr) => cidr.family !== family)) return [];
  const match = [condition(family, "saddr", rule.source), condition(family, "daddr", rule.destination)].filter(
    (text) => text !== "",
  );
  const line = (...words: string[]): string => `    ${[...match, ...words].join(" ")} comment "natOutgoingPolicyRules"`;
  if (rule.action === "forward") return [line("accept")];
  return [
    // As for the subnet's general rule.
    line(toNodePorts(input), `masquerade to :${portRangeText(input.nodePorts)} fully-random`),
    line("masquerade fully-random"),
  ];
}

/** "" where the list matches all addresses. */
function condition(family: 4 | 6, field: "saddr" | "daddr", cidrs: readonly Cidr[]): string {
  const all = cidrs.length === 0 || cidrs.some(({ prefix }) => prefix === 0);
  return all ? "" : `${ip(family)} ${field} ${addresses(family, cidrs)}`;
}
