// SPDX-License-Identifier: Apache-2.0

import { type NumberRange, RangeTable } from "../collections/range-table.ts";
import { parseIp } from "./address.ts";
import { cidrSize, parseCidr } from "./cidr.ts";
import type { Dual } from "./dual.ts";

const FAMILIES = ["v4", "v6"] as const;

/** Parsed texts are cached, because a change of one subnet or node reads those of others too. */
const parsed = new WeakMap<Dual<string>, Dual<NumberRange>>();

/** The ranges of CIDRs or single addresses; none for a family with an invalid text. */
function addressRangesOf(texts: Dual<string>): Dual<NumberRange> {
  let ranges = parsed.get(texts);
  if (ranges === undefined) {
    const [v4, v6] = FAMILIES.map((family) => rangeOf(texts[family] ?? ""));
    ranges = { ...(v4 && { v4 }), ...(v6 && { v6 }) };
    parsed.set(texts, ranges);
  }
  return ranges;
}

function rangeOf(text: string): NumberRange | undefined {
  const block = parseCidr(text);
  if (block !== undefined) return { first: block.base, last: block.base + cidrSize(block) - 1n };
  const ip = parseIp(text);
  return ip && { first: ip.value, last: ip.value };
}

/** Names with addresses of both families, see {@link RangeTable}. */
export class AddressTable {
  readonly #tables = { v4: new RangeTable(), v6: new RangeTable() } as const;

  /** Whether no name has addresses. */
  get isEmpty(): boolean {
    return FAMILIES.every((family) => this.#tables[family].isEmpty);
  }

  /** Replaces the addresses of a name: CIDRs or single addresses. */
  set(name: string, texts: readonly Dual<string>[]): void {
    for (const family of FAMILIES)
      this.#tables[family].set(
        name,
        texts.flatMap((text) => addressRangesOf(text)[family] ?? []),
      );
  }

  /** By family, the names with addresses in a range, the lowest first. */
  overlapping(texts: Dual<string>): { readonly v4: readonly string[]; readonly v6: readonly string[] } {
    const { v4, v6 } = addressRangesOf(texts);
    const find = (family: "v4" | "v6", range: NumberRange | undefined): readonly string[] =>
      range === undefined ? [] : this.#tables[family].overlapping(range);
    return { v4: find("v4", v4), v6: find("v6", v6) };
  }
}
