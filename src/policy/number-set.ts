// SPDX-License-Identifier: Apache-2.0

import { type NumberToken, parseAddress } from "./match-lexer.ts";

/** A set of numbers and masked numbers, prepared for lookups. */
export interface NumberSet {
  readonly size: number;
  has(value: bigint): boolean;
  /** The member that needs the widest field; absent for an empty set. */
  readonly widest?: NumberToken;
}

/**
 * Prepares a set. A lookup is one for numbers without mask, and one for each distinct mask, of which prefixes have 32 or 128 at most.
 */
export function numberSet(numbers: readonly NumberToken[]): NumberSet {
  const single = new Set<bigint>();
  /** mask → the masked values without trailing zeros, because hashing uses the low bits only. */
  const masked = new Map<bigint, { shift: bigint; values: Set<bigint> }>();
  for (const { value, mask } of numbers) {
    if (mask === undefined) single.add(value);
    else {
      let entry = masked.get(mask);
      if (entry === undefined) {
        entry = { shift: trailingZeros(mask), values: new Set() };
        masked.set(mask, entry);
      }
      entry.values.add(value >> entry.shift);
    }
  }
  const widest = numbers.reduce<NumberToken | undefined>(
    (widest, number) => (widest === undefined || numberWidth(number) > numberWidth(widest) ? number : widest),
    undefined,
  );
  const masks = [...masked].map(([mask, { shift, values }]) => ({ mask, shift, values }));
  return {
    size: numbers.length,
    has: (value) => single.has(value) || masks.some(({ mask, shift, values }) => values.has((value & mask) >> shift)),
    ...(widest !== undefined && { widest }),
  };
}

const OF_SET = new WeakMap<readonly string[], NumberSet>();

/** The same for the contents of an address set, cached as long as the array exists. Invalid addresses are left out, as in OVN. */
export function numbersOfSet(addresses: readonly string[]): NumberSet {
  let set = OF_SET.get(addresses);
  if (set === undefined) {
    set = numberSet(addresses.map(parseAddress).filter((number) => number !== undefined));
    OF_SET.set(addresses, set);
  }
  return set;
}

function trailingZeros(mask: bigint): bigint {
  if (mask === 0n) return 0n;
  let zeros = 0n;
  while (((mask >> zeros) & 1n) === 0n) zeros++;
  return zeros;
}

/** The bits that a field must have to be compared with the number (ovn lib/expr.c, `expr_constant_width`). */
export function numberWidth({ value, mask, format }: NumberToken): number {
  const bits = (number: bigint): number => (number === 0n ? 0 : number.toString(2).length);
  if (mask !== undefined) return bits(mask);
  return format === "ipv4" ? 32 : format === "ipv6" ? 128 : format === "ethernet" ? 48 : bits(value);
}
