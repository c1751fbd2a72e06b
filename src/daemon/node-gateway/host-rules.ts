// SPDX-License-Identifier: Apache-2.0

import { HAIRPIN_SOURCE, NODE_INTERFACE } from "../../api/names.ts";
import type { Ip } from "../../net/address.ts";
import type { Cidr } from "../../net/cidr.ts";
import { type PortRange, portRangeText } from "../../net/port-range.ts";
import { markChain } from "./egress.ts";
import { natRuleChains, type SubnetNatRules, TRANSPORT, toNodePorts } from "./nat-rules.ts";
import { addresses, ip } from "./nft-text.ts";

/** Input of the node's packet filter rules. */
export interface HostRulesInput {
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
  /** Some prefixes leave by an external router of their own, see `egress.ts`. */
  readonly egress: boolean;
  /**
   * The node's own addresses as seen by pods, at most one of each family; for a family without one the address of
   * `ovn0` is used.
   */
  readonly sources: readonly Ip[];
  /** The range of node ports. */
  readonly nodePorts: PortRange;
}

/** Weft's table; nothing outside it is changed. */
export const HOST_TABLE = "inet weft";

/**
 * Compiles the node's packet filter rules as input of `nft -f -`, which replaces the table in one kernel transaction:
 * the first line creates the table if necessary, so that it can be deleted. Conntrack entries, and with them existing
 * connections, stay. Pure; the order of the input does not matter.
 *
 * Named sets are not used: those of nft 1.1 make nft 1.0 crash on whatever it lists in that namespace, and the
 * version of kube-proxy's nft is not known. Each list appears once, in a rule of its own.
 */
export function compileHostRules(input: HostRulesInput): string {
  const families = ([4, 6] as const).filter((family) => input.cluster.some((cidr) => cidr.family === family));
  const sources = input.sources.filter(({ family }) => families.includes(family));
  return [
    `table ${HOST_TABLE} {}`,
    `delete table ${HOST_TABLE}`,
    `table ${HOST_TABLE} {`,
    "  chain input {",
    "    type filter hook input priority filter; policy accept;",
    ...notForPods(""),
    "  }",
    ...fromOutside(families, input.cluster),
    "  chain forward {",
    "    type filter hook forward priority filter; policy accept;",
    ...notForPods(`oifname != "${NODE_INTERFACE}" `),
    `    iifname != "${NODE_INTERFACE}" oifname "${NODE_INTERFACE}" jump from-outside`,
    `    # The rest only counts: no table can revert another one's drop.`,
    ...families.flatMap((family) => {
      const cluster = addresses(family, input.cluster);
      return [
        `    ${ip(family)} saddr ${cluster} counter accept comment "from pods"`,
        `    ${ip(family)} daddr ${cluster} counter accept comment "to pods"`,
      ];
    }),
    "  }",
    ...(input.egress ? markChain() : []),
    ...families.flatMap((family) => natChain(family, input)),
    ...sources.flatMap((source) => asNodeChains(source, input)),
    "  chain postrouting {",
    "    # Before kube-proxy, which would choose the address of ovn0.",
    "    type nat hook postrouting priority srcnat - 1; policy accept;",
    ...sources.flatMap(({ family, text }) => [
      `    oifname "${NODE_INTERFACE}" meta nfproto ${family === 4 ? "ipv4" : "ipv6"} jump to-pods${family}`,
      `    oifname != { "${NODE_INTERFACE}", "lo" } ${ip(family)} saddr ${text} ${toNodePorts(input)} snat to :${portRangeText(input.nodePorts)} fully-random comment "to node ports"`,
    ]),
    ...families.map((family) => `    ${ip(family)} saddr ${addresses(family, input.cluster)} jump from-pods${family}`),
    "  }",
    "}",
    "",
  ].join("\n");
}

/**
 * Ports on nodes whose servers do not authenticate clients. Open vSwitch accepts a tunnel packet (Geneve, RFC 8926)
 * from another node's address for any port of any VPC, and a pod's packets to the outside have its node's address.
 * Without TLS a client of the databases, or of the ports of a cluster's members (6643, 6644, 6649, 6650), can change
 * what all nodes do. Packets that nodes themselves send do not arrive by `ovn0`; pods may send to each other on these
 * ports.
 */
const UNAUTHENTICATED_PORTS = [
  { what: "tunnels", match: "udp dport 6081" },
  { what: "OVN's databases", match: "tcp dport { 6641-6644, 6649-6650 }" },
] as const;

/** After destination translation, so that every requested address is covered; and after defragmentation. */
function notForPods(condition: string): readonly string[] {
  return UNAUTHENTICATED_PORTS.map(
    ({ what, match }) =>
      `    iifname "${NODE_INTERFACE}" ${condition}${match} counter drop comment "${what} are not for pods"`,
  );
}

/**
 * Packets that hosts outside send to pods through the node. Policies trust the addresses of pods and the hairpin
 * address, so packets from outside with these sources are dropped; the kernel's check (`rp_filter`) is often off, and
 * does not exist for IPv6. A pod whose subnet has no `natOutgoing` keeps its address in requests to a node port: its
 * packet has been translated here (`ct status dnat`) and is accepted.
 */
function fromOutside(families: readonly (4 | 6)[], cluster: readonly Cidr[]): readonly string[] {
  const drop = 'counter drop comment "from outside as if from a pod"';
  return [
    "  chain from-outside {",
    `    ip saddr ${HAIRPIN_SOURCE.v4} ${drop}`,
    `    ip6 saddr ${HAIRPIN_SOURCE.v6} ${drop}`,
    "    ct status dnat return",
    ...families.map((family) => `    ${ip(family)} saddr ${addresses(family, cluster)} ${drop}`),
    "  }",
  ];
}

/** Masquerading of connections from pods of one family that leave the node. */
function natChain(family: 4 | 6, input: HostRulesInput): readonly string[] {
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
function asNodeChains({ family, text }: Ip, input: HostRulesInput): readonly string[] {
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
