// SPDX-License-Identifier: Apache-2.0

import { hostPrefix, ipFromValue } from "../../net/address.ts";
import { type Cidr, cidrContainsCidr, cidrOf, firstAddress, parseCidr } from "../../net/cidr.ts";
import type { AddressMap } from "../../page/contract.ts";

/** Each step of the map divides a prefix by so many bits: into 256 cells. */
const STEP = 8;
/** Cells in a row. */
export const COLUMNS = 16;

/** The prefix length of the cells of a prefix. */
export function cellBits({ prefix, family }: Pick<Cidr, "prefix" | "family">): number {
  return Math.min(prefix + STEP, hostPrefix(family));
}

/** The prefixes from a subnet's CIDR down to `prefix`, in the steps of the map; only the subnet's if one is no CIDR or not in it. */
export function trail(subnet: string, prefix: string): readonly string[] {
  const [whole, part] = [parseCidr(subnet), parseCidr(prefix)];
  if (whole === undefined) return [];
  const steps = [whole.text];
  if (part === undefined || !cidrContainsCidr(whole, part)) return steps;
  for (let length = whole.prefix + STEP; length < part.prefix; length += STEP) {
    const step = cidrOf(firstAddress(part), length);
    if (step !== undefined) steps.push(step.text);
  }
  if (part.prefix > whole.prefix) steps.push(part.text);
  return steps;
}

/** The prefix of a cell; an address where a cell is one. Undefined outside of the prefix. */
export function cellPrefix({ prefix, bits }: Pick<AddressMap, "prefix" | "bits">, index: number): string | undefined {
  const whole = parseCidr(prefix);
  if (whole === undefined) return undefined;
  const host = hostPrefix(whole.family);
  const start = ipFromValue(whole.family, whole.base + (BigInt(index) << BigInt(host - bits)));
  return bits === host ? start.text : `${start.text}/${bits}`;
}

/** How dark a cell is, from 0 (nothing used) to 5 (all used): whatever is used at all is seen. */
export function level(used: number, size: number): 0 | 1 | 2 | 3 | 4 | 5 {
  if (used <= 0) return 0;
  const share = used / size;
  if (share >= 1) return 5;
  return share >= 0.75 ? 4 : share >= 0.5 ? 3 : share >= 0.25 ? 2 : 1;
}

/** The cell that a key leads to from one, among `cells` in rows of {@link COLUMNS}. The ends of rows and of the map hold. */
export function cellByKey(key: string, from: number, cells: number): number | undefined {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }[key];
  if (step !== undefined) {
    const to = from + step;
    return to >= 0 && to < cells ? to : from;
  }
  if (key === "Home") return from - (from % COLUMNS);
  if (key === "End") return Math.min(cells - 1, from - (from % COLUMNS) + COLUMNS - 1);
  return undefined;
}

/** The only part of a map in which anything is used, if it can be divided further: where an IPv6 subnet is looked at, almost always the first. */
export function onlyUsedPart(map: AddressMap): string | undefined {
  const used = map.filled.filter((cell) => cell.used + cell.reserved > 0);
  const [only] = used;
  if (only === undefined || used.length > 1 || map.addresses !== undefined) return undefined;
  return cellPrefix(map, only.index);
}
