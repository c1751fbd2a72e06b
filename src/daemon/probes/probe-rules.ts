// SPDX-License-Identifier: Apache-2.0

import { PROBE_NETWORK } from "../../api/names.ts";
import { PROBE_TABLE } from "../../node/marks.ts";
import type { ProbeTarget } from "./probe-plan.ts";

/** A VPC that the node reaches for probes. */
export interface ProbedVpc {
  readonly link: string;
  readonly slot: number;
  readonly targets: readonly ProbeTarget[];
}

/** The bits of a packet's mark that name its VPC. kube-proxy uses 0x4000 and 0x8000, Kube-OVN 0x80000 and 0x90000. */
export const MARK_MASK = 0x7f00_0000;

/** The mark of a slot. */
export function markOfSlot(slot: number): number {
  return slot << 24;
}

/**
 * The conntrack zone of a slot. It is above the zones that ovn-controller allocates, which begin at 1 and share the kernel's table with the kernel
 * datapath.
 */
function zoneOfSlot(slot: number): number {
  return 65_400 + slot;
}

const FAMILIES = [
  { family: 4, word: "ip", key: "v4", proto: "ipv4" },
  { family: 6, word: "ip6", key: "v6", proto: "ipv6" },
] as const;

/**
 * Compiles the nftables rules for probes, as input of `nft -f -`. Packets that the node itself sends to a target get the VPC's mark, which a routing
 * rule maps to the VPC's link, and the node's address in the VPC as their source. Packets that arrive by such a link are dropped unless they are
 * replies to these. Each VPC has a conntrack zone of its own, so that connections to the same address in two VPCs are not mixed up. Chain `output`
 * comes before kube-proxy's chains, so packets to Services are not matched. It has type `route`, so that a packet with a new mark is routed again.
 */
export function compileProbeRules(vpcs: readonly ProbedVpc[]): string {
  const links = `{ ${vpcs.map(({ link }) => `"${link}"`).join(", ")} }`;
  const marks = vpcs.map(({ link, slot }) => `"${link}" : ${hex(markOfSlot(slot))}`).join(", ");
  const zones = vpcs.map(({ link, slot }) => `"${link}" : ${zoneOfSlot(slot)}`).join(", ");
  return [
    `table ${PROBE_TABLE} {}`,
    `delete table ${PROBE_TABLE}`,
    `table ${PROBE_TABLE} {`,
    "  chain zones {",
    "    type filter hook prerouting priority raw; policy accept;",
    `    ct zone set iifname map { ${zones} }`,
    `    meta mark set iifname map { ${marks} }`,
    "  }",
    "  chain replies {",
    "    type filter hook prerouting priority mangle; policy accept;",
    `    iifname != ${links} accept`,
    "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept",
    "    ct direction reply ct state established accept",
    '    counter drop comment "not a reply to a probe"',
    "  }",
    "  chain output {",
    "    type route hook output priority raw; policy accept;",
    ...FAMILIES.flatMap(({ family, word }) => {
      const entries = vpcs.flatMap(({ slot, targets }) =>
        targets.flatMap(({ ip, port }) => (ip.family === family ? `${ip.text} . ${port} : goto to-${slot}` : [])),
      );
      return entries.length === 0 ? [] : [`    ${word} daddr . tcp dport vmap { ${entries.join(", ")} }`];
    }),
    "  }",
    ...vpcs.flatMap(({ slot }) => [
      `  chain to-${slot} {`,
      `    ct zone set ${zoneOfSlot(slot)}`,
      `    meta mark set meta mark and ${hex(~MARK_MASK)} or ${hex(markOfSlot(slot))}`,
      "  }",
    ]),
    "  chain postrouting {",
    "    type nat hook postrouting priority srcnat - 2; policy accept;",
    ...FAMILIES.map(
      ({ word, key, proto }) =>
        `    oifname ${links} meta nfproto ${proto} snat ${word} to ${PROBE_NETWORK[key].node} comment "as the node in the VPC"`,
    ),
    "  }",
    "}",
    "",
  ].join("\n");
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, "0")}`;
}
