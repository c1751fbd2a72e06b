// SPDX-License-Identifier: Apache-2.0

import { type Cidr, cidrContainsCidr } from "../../net/cidr.ts";

/** The prefixes of one family as an anonymous set. */
export function addresses(family: 4 | 6, cidrs: readonly Cidr[]): string {
  return `{ ${outermost(cidrs.filter((cidr) => cidr.family === family))
    .map((cidr) => cidr.text)
    .join(", ")} }`;
}

/** Sorted, without prefixes that another one contains: an interval set refuses overlaps. */
function outermost(cidrs: readonly Cidr[]): readonly Cidr[] {
  const sorted = [...cidrs].sort((a, b) => (a.base < b.base ? -1 : a.base > b.base ? 1 : a.prefix - b.prefix));
  const kept: Cidr[] = [];
  for (const cidr of sorted) {
    const before = kept.at(-1);
    // Prefixes are nested or disjoint, and a container sorts before what it contains.
    if (before === undefined || !cidrContainsCidr(before, cidr)) kept.push(cidr);
  }
  return kept;
}

/** The keyword of nft for addresses of a family. */
export function ip(family: 4 | 6): string {
  return family === 4 ? "ip" : "ip6";
}
