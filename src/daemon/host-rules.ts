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
 */
export function compileHostRules(input: HostRulesInput): string {
  const families = ([4, 6] as const).filter((family) => input.cluster.some((cidr) => cidr.family === family));
  const sets = families.flatMap((family) => [
    ...compileSet(`cluster${family}`, family, input.cluster),
    ...compileSet(`nat-outgoing${family}`, family, input.natOutgoing),
  ]);
  return [
    `table ${HOST_TABLE} {}`,
    `delete table ${HOST_TABLE}`,
    `table ${HOST_TABLE} {`,
    ...sets,
    "  # Counts only: no table can undo another one's drop.",
    "  chain forward {",
    "    type filter hook forward priority filter; policy accept;",
    ...families.flatMap((family) => [
      `    ${ip(family)} saddr @cluster${family} counter accept comment "from pods"`,
      `    ${ip(family)} daddr @cluster${family} counter accept comment "to pods"`,
    ]),
    "  }",
    "  chain postrouting {",
    "    type nat hook postrouting priority srcnat; policy accept;",
    ...families.flatMap(natRules),
    "  }",
    "}",
    "",
  ].join("\n");
}

function natRules(family: 4 | 6): readonly string[] {
  const saddr = `${ip(family)} saddr`;
  return [
    // A pod's request to a Service's address was given a backend here, by kube-proxy. The backend would answer the pod
    // past this node, and the pod would not know the answer; with the node's address it comes back to be translated.
    `    ${saddr} @cluster${family} ct status dnat masquerade fully-random comment "services"`,
    // natOutgoingPolicyRules go here: per subnet, in their order, before the subnet's general rule.
    `    ${saddr} @nat-outgoing${family} ${ip(family)} daddr != @cluster${family} masquerade fully-random comment "natOutgoing"`,
  ];
}

function compileSet(name: string, family: 4 | 6, cidrs: readonly Cidr[]): readonly string[] {
  const elements = outermost(cidrs.filter((cidr) => cidr.family === family));
  return [
    `  set ${name} {`,
    `    type ${family === 4 ? "ipv4_addr" : "ipv6_addr"}`,
    "    flags interval",
    ...(elements.length === 0
      ? []
      : ["    elements = {", `      ${elements.map((c) => c.text).join(",\n      ")}`, "    }"]),
    "  }",
  ];
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
