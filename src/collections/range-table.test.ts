// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { RangeTable } from "./range-table.ts";

const range = fc
  .tuple(fc.nat(60), fc.nat(20))
  .map(([first, length]) => ({ first: BigInt(first), last: BigInt(first + length) }));
const step = fc.record({
  name: fc.constantFrom("a", "b", "c", "d", "e", "f"),
  ranges: fc.array(range, { maxLength: 2 }),
  asked: range,
});

t.test("names whose ranges overlap one are found, the lowest first, after any history of changes", async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const table = new RangeTable();
      const known = new Map<string, (typeof steps)[number]["ranges"]>();
      for (const { name, ranges, asked } of steps) {
        table.set(name, ranges);
        known.set(name, ranges);
        const overlapping = [...known]
          .flatMap(([of, all]) => all.map(({ first, last }) => ({ of, first, last })))
          .filter(({ first, last }) => first <= asked.last && last >= asked.first)
          .sort((a, b) => Number(a.first - b.first) || (a.of < b.of ? -1 : 1));
        const expected = [...new Set(overlapping.map(({ of }) => of))];
        if (JSON.stringify(table.overlapping(asked)) !== JSON.stringify(expected)) return false;
        if (table.isEmpty !== [...known.values()].every((all) => all.length === 0)) return false;
      }
      return true;
    }),
  );
});
