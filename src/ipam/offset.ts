// SPDX-License-Identifier: Apache-2.0

/**
 * The position of an address, counted from the fixed origin of its subnet (its first network address): a number while that is exact (53 bits), a
 * bigint beyond. Each position has exactly one such value, so `===` and map keys work; JavaScript compares numbers with bigints exactly, so `<` works
 * for both. All of IPv4, and the low part of any IPv6 subnet, where allocation begins, therefore uses plain numbers.
 */
export type Offset = number | bigint;

const MAX = Number.MAX_SAFE_INTEGER;

/** A bigint as an `Offset`. */
export function offsetOf(offset: bigint): Offset {
  return offset <= MAX && offset >= -MAX ? Number(offset) : offset;
}

/** The next address. */
export function successor(c: Offset): Offset {
  return typeof c === "number" && c < MAX ? c + 1 : offsetOf(BigInt(c) + 1n);
}

/** The address before. */
export function predecessor(c: Offset): Offset {
  return typeof c === "number" && c > -MAX ? c - 1 : offsetOf(BigInt(c) - 1n);
}

/** How many addresses there are from `first` to `last`, both included. */
export function spanSize(first: Offset, last: Offset): bigint {
  return BigInt(last) - BigInt(first) + 1n;
}

/** Orders offsets, as `Array.sort` wants it. */
export function compareOffsets(a: Offset, b: Offset): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The index of the last of ascending offsets that is not beyond `c`; -1 if all are. */
export function lastAtOrBefore(ascending: readonly Offset[], c: Offset): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as Offset) <= c) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Addresses in a row, both ends included. */
export interface Span {
  readonly first: Offset;
  readonly last: Offset;
}

/** What two spans share, if anything. */
export function intersectSpans(a: Span, b: Span): Span | undefined {
  let { first, last } = a;
  if (b.first > first) first = b.first;
  if (b.last < last) last = b.last;
  return first <= last ? { first, last } : undefined;
}

/** The spans' union as spans that neither overlap nor touch, in order. */
export function mergeSpans(spans: readonly Span[]): Span[] {
  const sorted = spans.toSorted((a, b) => compareOffsets(a.first, b.first));
  const merged: { first: Offset; last: Offset }[] = [];
  for (const { first, last } of sorted) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= successor(previous.last)) {
      if (last > previous.last) previous.last = last;
    } else {
      merged.push({ first, last });
    }
  }
  return merged;
}
