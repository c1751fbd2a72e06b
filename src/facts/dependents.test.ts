// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { type Dependency, dependency } from "./dependency.ts";
import { Dependents } from "./dependents.ts";

const [x, y] = [dependency.fact("pods", "x"), dependency.fact("pods", "y")];
/** Different topics have the same values. */
const MIXED = [x, dependency.fact("ips", "x"), dependency.index("ips", "holder", "x"), y, dependency.all("pods")];

t.test("a dependency has the readers that read it last time, in order of their first read", async (t) => {
  const dependents = new Dependents();
  dependents.set("b", [x, y]);
  dependents.set("a", [x]);
  t.strictSame(dependents.of(x), ["b", "a"]);
  dependents.set("b", [x]);
  t.strictSame(dependents.of(x), ["b", "a"], "a reader that reads it again keeps its position");
  t.strictSame(dependents.of(y), []);
  dependents.delete("b");
  t.strictSame(dependents.of(x), ["a"]);
});

t.test("it is equal to a scan of everything that was read, and keeps no dependency without readers", async (t) => {
  const reader = fc.nat(4).map(String);
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ reader, seen: fc.array(fc.constantFrom(...MIXED), { maxLength: 8 }) }) },
    { weight: 1, arbitrary: fc.record({ reader, seen: fc.constant(undefined) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const dependents = new Dependents();
      /** Dependency → its readers, in the order in which each began to read it. */
      const model = new Map<Dependency, string[]>(MIXED.map((one) => [one, []]));
      for (const { reader, seen } of steps) {
        if (seen === undefined) dependents.delete(reader);
        else dependents.set(reader, seen);
        for (const [one, readers] of model) {
          const reads = seen?.includes(one) === true;
          if (reads && !readers.includes(reader)) readers.push(reader);
          if (!reads && readers.includes(reader)) readers.splice(readers.indexOf(reader), 1);
        }
        for (const [one, readers] of model) t.strictSame(dependents.of(one), readers);
        const lists = [...model.values()];
        t.equal(dependents.size, lists.filter(({ length }) => length > 0).length);
        t.equal(dependents.readers, new Set(lists.flat()).size);
      }
      dependents.clear();
      t.same([dependents.size, dependents.readers], [0, 0]);
    }),
  );
});
