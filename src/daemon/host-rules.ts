import { type Cidr, cidrContainsCidr } from "../net/cidr.ts";

/** What the node's rules are made from. */
export interface HostRulesInput {
  /** Every prefix behind `ovn0`: the overlay subnets of the default VPC, and the join subnet. */
  readonly cluster: readonly Cidr[];
  /** Those of them whose pods take the node's address when they speak to the world (`natOutgoing`). */
  readonly natOutgoing: readonly Cidr[];
}

/** The table that is ours; nothing outside of it is touched. */
export const HOST_TABLE = "inet weft";

/**
 * The node's packet rules as input of `nft -f -`, which replaces the table in one kernel transaction: the first line makes
 * sure that there is something to delete. Conntrack entries, and with them existing connections, stay. Pure; the same
 * input in any order gives the same text.
 *
 * There are no named sets in it: those of nft 1.1 make nft 1.0 crash on whatever it lists in that namespace, and the nft of
 * kube-proxy is not ours to choose. Each list stands once, in a rule of its own.
 */
export function compileHostRules(input: HostRulesInput): string {
  const families = ([4, 6] as const).filter((family) => input.cluster.some((cidr) => cidr.family === family));
  return [
    `table ${HOST_TABLE} {}`,
    `delete table ${HOST_TABLE}`,
    `table ${HOST_TABLE} {`,
    "  # Counts only: no table can undo another one's drop.",
    "  chain forward {",
    "    type filter hook forward priority filter; policy accept;",
    ...families.flatMap((family) => {
      const cluster = addresses(family, input.cluster);
      return [
        `    ${ip(family)} saddr ${cluster} counter accept comment "from pods"`,
        `    ${ip(family)} daddr ${cluster} counter accept comment "to pods"`,
      ];
    }),
    "  }",
    ...families.flatMap((family) => natChain(family, input)),
    "  chain postrouting {",
    "    type nat hook postrouting priority srcnat; policy accept;",
    ...families.map((family) => `    ${ip(family)} saddr ${addresses(family, input.cluster)} jump from-pods${family}`),
    "  }",
    "}",
    "",
  ].join("\n");
}

/** What becomes of connections that pods of one family begin, on their way out of the node. */
function natChain(family: 4 | 6, { cluster, natOutgoing }: HostRulesInput): readonly string[] {
  const out = natOutgoing.filter((cidr) => cidr.family === family);
  return [
    `  chain from-pods${family} {`,
    // A pod's request was given a backend here, by kube-proxy: a node port's, an external address's, or that of a Service that
    // OVN does not balance. The backend would answer the pod past this node, and the pod would not know the answer; with the
    // node's address it comes back to be translated.
    '    ct status dnat masquerade fully-random comment "services"',
    `    ${ip(family)} daddr ${addresses(family, cluster)} return`,
    // natOutgoingPolicyRules go here: per subnet, in their order, before the subnet's general rule.
    ...(out.length === 0
      ? []
      : [`    ${ip(family)} saddr ${addresses(family, out)} masquerade fully-random comment "natOutgoing"`]),
    "  }",
  ];
}

/** The prefixes of one family as an anonymous set. */
function addresses(family: 4 | 6, cidrs: readonly Cidr[]): string {
  return `{ ${outermost(cidrs.filter((cidr) => cidr.family === family))
    .map((cidr) => cidr.text)
    .join(", ")} }`;
}

/** Sorted, without those that lie in another: an interval set refuses overlaps. */
function outermost(cidrs: readonly Cidr[]): readonly Cidr[] {
  const sorted = [...cidrs].sort((a, b) => (a.base < b.base ? -1 : a.base > b.base ? 1 : a.prefix - b.prefix));
  const kept: Cidr[] = [];
  for (const cidr of sorted) {
    const before = kept.at(-1);
    // Prefixes are nested or apart, and a container sorts before what it contains.
    if (before === undefined || !cidrContainsCidr(before, cidr)) kept.push(cidr);
  }
  return kept;
}

function ip(family: 4 | 6): string {
  return family === 4 ? "ip" : "ip6";
}
