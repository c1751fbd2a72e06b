// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { ipFromValue } from "./address.ts";
import { cidrsOfRange, formatRange, intersectRanges, parseRange, rangeContains } from "./range.ts";

const range = fc
  .tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 300 }))
  .map(([first, size]) => ({ family: 4 as const, first: BigInt(first), last: BigInt(first + size) }));

t.test("addresses, ranges and prefixes are read", (t) => {
  t.equal(formatRange(parseRange("10.16.0.10..10.16.0.20")!), "10.16.0.10..10.16.0.20");
  t.equal(formatRange(parseRange("10.16.0.10")!), "10.16.0.10");
  t.equal(formatRange(parseRange("10.16.0.10..10.16.0.10")!), "10.16.0.10");
  t.equal(formatRange(parseRange("10.16.0.0/30")!), "10.16.0.0..10.16.0.3");
  t.equal(formatRange(parseRange("fd00::a..fd00::ff")!), "fd00::a..fd00::ff");
  t.same(parseRange("fd00::/64"), { family: 6, first: 0xfd00n << 112n, last: (0xfd00n << 112n) + (1n << 64n) - 1n });
  t.end();
});

t.test("backwards, mixed, half and spaced ranges are refused", (t) => {
  for (const text of [
    "",
    "10.16.0.20..10.16.0.10",
    "10.16.0.1..fd00::1",
    "10.16.0.1..",
    "..10.16.0.1",
    "10.16.0.1-10.16.0.5",
    "10.16.0.1 .. 10.16.0.5",
    "10.16.0.1..10.16.0.2..10.16.0.3",
    "10.16.0.1...10.16.0.5",
  ]) {
    t.equal(parseRange(text), undefined, text);
  }
  t.end();
});

t.test("an address is in the intersection exactly when it is in both", (t) => {
  fc.assert(
    fc.property(range, range, fc.integer({ min: 0, max: 600 }), (a, b, value) => {
      const ip = ipFromValue(4, BigInt(value));
      const both = intersectRanges(a, b);
      return (rangeContains(a, ip) && rangeContains(b, ip)) === (both !== undefined && rangeContains(both, ip));
    }),
  );
  t.equal(intersectRanges(parseRange("::1")!, parseRange("0.0.0.1")!), undefined);
  t.end();
});

t.test("a range is split into the fewest CIDRs", async (t) => {
  const texts = (range: string): string[] => cidrsOfRange(parseRange(range)!).map((cidr) => cidr.text);
  t.same(texts("10.0.0.1..10.0.0.6"), ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]);
  t.same(texts("10.0.0.0..10.0.0.255"), ["10.0.0.0/24"]);
  t.same(texts("0.0.0.0..255.255.255.255"), ["0.0.0.0/0"]);
  t.same(texts("fd00::1..fd00::2"), ["fd00::1/128", "fd00::2/128"]);
});
