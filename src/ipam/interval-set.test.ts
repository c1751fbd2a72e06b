// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { IntervalSet } from "./interval-set.ts";
import { type Offset, offsetOf, successor } from "./offset.ts";

/** Sets around zero and around 2^53, where numbers give way to bigints. */
const base = fc.constantFrom(0n, 2n ** 53n - 20n, -(2n ** 53n) - 20n, 2n ** 64n);

function naiveSpans(members: Iterable<bigint>): string {
  const sorted = [...members].sort((a, b) => (a < b ? -1 : 1));
  const spans: [bigint, bigint][] = [];
  for (const member of sorted) {
    const last = spans.at(-1);
    if (last !== undefined && last[1] + 1n === member) last[1] = member;
    else spans.push([member, member]);
  }
  return spans.map(([first, last]) => `${first}-${last}`).join(",");
}

function spansOf(set: IntervalSet): string {
  return [...set.spans()].map(({ first, last }) => `${first}-${last}`).join(",");
}

t.test("any adding and removing gives the fewest intervals of the right addresses", (t) => {
  const operation = fc.record({
    at: fc.integer({ min: 0, max: 40 }),
    length: fc.integer({ min: 1, max: 4 }),
    add: fc.boolean(),
  });
  fc.assert(
    fc.property(base, fc.array(operation, { maxLength: 120 }), (base, operations) => {
      const set = new IntervalSet();
      const members = new Set<bigint>();
      for (const { at, length, add } of operations) {
        const first = base + BigInt(at);
        if (add) {
          const all = Array.from({ length }, (_, i) => first + BigInt(i));
          if (all.some((member) => members.has(member))) continue;
          set.add(offsetOf(first), offsetOf(first + BigInt(length - 1)));
          for (const member of all) members.add(member);
        } else if (set.remove(offsetOf(first)) !== members.delete(first)) {
          return false;
        }
      }
      const least = [...members].reduce<bigint | undefined>((a, b) => (a === undefined || b < a ? b : a), undefined);
      for (let i = -1; i <= 46; i++) {
        const c = base + BigInt(i);
        if (set.has(offsetOf(c)) !== members.has(c)) return false;
      }
      return (
        spansOf(set) === naiveSpans(members) &&
        set.empty === (members.size === 0) &&
        set.first() === (least === undefined ? undefined : offsetOf(least))
      );
    }),
    { numRuns: 500 },
  );
  t.end();
});

t.test("a set of many pieces survives splitting and joining its chunks", (t) => {
  const set = new IntervalSet();
  const members = new Set<bigint>();
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state % below;
  };
  for (let round = 0; round < 60_000; round++) {
    // First it grows to thousands of pieces, then it shrinks to nothing.
    const c = random(12_000);
    const grow = round < 30_000 ? random(4) > 0 : random(4) === 0;
    if (grow && !members.has(BigInt(c))) {
      set.add(c);
      members.add(BigInt(c));
    } else if (!grow) {
      if (set.remove(c) !== members.delete(BigInt(c))) t.fail(`removing ${c} in round ${round}`);
    }
    if (round % 5_000 === 0) t.equal(spansOf(set), naiveSpans(members), `after ${round}`);
  }
  for (const member of members) set.remove(Number(member));
  t.equal(spansOf(set), "");
  t.equal(set.empty, true);
  t.end();
});

t.test("the end of a run is found from anywhere in it", (t) => {
  const set = new IntervalSet();
  set.add(5, 9);
  set.add(20);
  t.same(
    [4, 5, 7, 9, 10, 20].map((c: Offset) => set.endOf(c)),
    [undefined, 9, 9, 9, undefined, 20],
  );
  t.equal(successor(Number.MAX_SAFE_INTEGER), 2n ** 53n);
  t.end();
});
