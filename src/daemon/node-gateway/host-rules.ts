// SPDX-License-Identifier: Apache-2.0

import { HAIRPIN_SOURCE, NODE_INTERFACE } from "../../api/names.ts";
import type { Ip } from "../../net/address.ts";
import type { Cidr } from "../../net/cidr.ts";
import { portRangeText } from "../../net/port-range.ts";
import { markChain } from "./egress.ts";
import { asNodeChains, masqueradeChain, type SourceNatInput } from "./masquerade.ts";
import { toNodePorts } from "./nat-policy-rules.ts";
import { addresses, ip } from "./nft-text.ts";

/** Input of the node's packet filter rules. */
export interface HostRulesInput extends SourceNatInput {
  /** Some prefixes leave by an external router of their own, see `egress.ts`. */
  readonly egress: boolean;
  /**
   * The node's own addresses as seen by pods, at most one of each family; for a family without one the address of
   * `ovn0` is used.
   */
  readonly sources: readonly Ip[];
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
    ...families.flatMap((family) => masqueradeChain(family, input)),
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
