// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../../net/address.ts";
import type { Cidr } from "../../net/cidr.ts";
import { type PortRange, portRangeText } from "../../net/port-range.ts";
import { natRuleChains, type SubnetNatRules, TRANSPORT, toNodePorts } from "./nat-policy-rules.ts";
import { addresses, ip } from "./nft-text.ts";

/** What decides about the source addresses of packets from pods and to pods. */
export interface SourceNatInput {
  /** Every prefix behind `ovn0`: the overlay subnets of the default VPC, and the join subnet. */
  readonly cluster: readonly Cidr[];
  /** The prefixes whose pods' traffic to the outside is masqueraded (`natOutgoing`). */
  readonly natOutgoing: readonly Cidr[];
  /** The prefixes whose traffic this node, as their gateway, sends from a source address that the subnet names. */
  readonly natSources: readonly { readonly cidr: Cidr; readonly source: Ip }[];
  /** The exceptions of each subnet that has some. */
  readonly natRules: readonly SubnetNatRules[];
  /** The prefixes whose pods reach the outside through gateway nodes. */
  readonly centralized: readonly Cidr[];
  /** The range of node ports. */
  readonly nodePorts: PortRange;
}

/**
 * Masquerading of connections from pods of one family that leave the node. Which prefixes these are: `planGateway` in `gateway-plan.ts` (`natOutgoing`, `natSources`).
 */
export function masqueradeChain(family: 4 | 6, input: SourceNatInput): readonly string[] {
  const { cluster, natOutgoing, natSources, nodePorts } = input;
  const out = natOutgoing.filter((cidr) => cidr.family === family);
  const rulesOf = natRuleChains(family, input);
  const leaving = out.length === 0 ? "" : `${ip(family)} saddr ${addresses(family, out)}`;
  return [
    ...rulesOf.chains,
    `  chain from-pods${family} {`,
    // kube-proxy has chosen a backend for a pod's request to a node port, an external address, or a Service that OVN
    // does not balance. The backend's reply would not pass this node, so the pod would not recognise it; with the
    // node's address as source the reply returns here and is translated.
    '    ct status dnat masquerade fully-random comment "services"',
    `    ${ip(family)} daddr ${addresses(family, cluster)} return`,
    // Of a connection that has come in by another node, to an address of the pod that BGP announces: a client knows the pod's address only. Without
    // these packets' first one, conntrack takes them for a new connection.
    '    tcp flags & (syn | ack) != syn return comment "replies"',
    ...rulesOf.jumps,
    ...natSources
      .filter(({ cidr }) => cidr.family === family)
      .flatMap(({ cidr, source: { text } }) => {
        const [word, port] = [ip(family), family === 4 ? text : `[${text}]`];
        return [
          `    ${word} saddr ${cidr.text} ${toNodePorts(input)} snat ${word} to ${port}:${portRangeText(nodePorts)} fully-random comment "gatewayNode"`,
          `    ${word} saddr ${cidr.text} snat ${word} to ${text} fully-random comment "gatewayNode"`,
        ];
      }),
    ...(out.length === 0
      ? []
      : [
          // To another node's port: as for packets that this node itself sends there, see below.
          `    ${leaving} ${toNodePorts(input)} masquerade to :${portRangeText(nodePorts)} fully-random comment "natOutgoing"`,
          `    ${leaving} masquerade fully-random comment "natOutgoing"`,
        ]),
    "  }",
  ];
}

/**
 * SNAT to the node's address for packets to pods of one family. Chain `to-pods` matches packets that kube-proxy would
 * masquerade with the address of `ovn0` (mark 0x4000), packets that pods send to each other through kube-proxy on
 * this node, and packets whose replies would not pass this node.
 *
 * The source ports for pods and those for node ports are disjoint. A pod behind another node's port replies through
 * that node if the port is in the range of node ports, and otherwise straight to this node (`nodePortMatch` in
 * `src/compile/gateway/subnet-gateway.ts`).
 */
export function asNodeChains({ family, text }: Ip, input: SourceNatInput): readonly string[] {
  const { cluster, centralized, nodePorts } = input;
  const elsewhere = centralized.filter((cidr) => cidr.family === family);
  const word = ip(family);
  const ports = portRangeText(outside(nodePorts));
  const address = family === 4 ? text : `[${text}]`;
  return [
    `  chain as-node${family} {`,
    // As kube-proxy does for packets that it masquerades.
    "    meta mark set meta mark and 0xffffbfff",
    `    ${TRANSPORT} snat ${word} to ${address}:${ports} fully-random comment "as this node"`,
    `    snat ${word} to ${text} comment "as this node"`,
    "  }",
    `  chain to-pods${family} {`,
    `    meta mark and 0x4000 == 0x4000 jump as-node${family}`,
    `    ct status dnat ${word} saddr ${addresses(family, cluster)} jump as-node${family}`,
    ...(elsewhere.length === 0
      ? []
      : [`    ct status dnat ${word} daddr ${addresses(family, elsewhere)} jump as-node${family}`]),
    `    ${word} saddr ${text} ${TRANSPORT} th sport ${portRangeText(nodePorts)} jump as-node${family}`,
    "  }",
  ];
}

/** The larger part of the unprivileged ports outside the range. */
function outside({ first, last }: PortRange): PortRange {
  const below = { first: 1024, last: first - 1 };
  const above = { first: Math.max(1024, last + 1), last: 65_535 };
  return below.last - below.first > above.last - above.first ? below : above;
}
