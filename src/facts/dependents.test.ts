// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { type Dependency, dependency } from "./dependency.ts";
import { Dependents } from "./dependents.ts";

const [x, y] = [dependency.fact("pods", "x"), dependency.fact("pods", "y")];
/** Different topics have the same values. */
const MIXED = [x, dependency.fact("ips", "x"), dependency.index("ips", "holder", "x"), y, dependency.all("pods")];

t.test("a dependency has those as readers who read it last time, in the order in which they began to", async (t) => {
  const dependents = new Dependents();
  dependents.set("b", [x, y]);
  dependents.set("a", [x]);
  t.strictSame(dependents.of(x), ["b", "a"]);
  dependents.set("b", [x]);
  t.strictSame(dependents.of(x), ["b", "a"], "who goes on reading it keeps its place");
  t.strictSame(dependents.of(y), []);
  dependents.delete("b");
  t.strictSame(dependents.of(x), ["a"]);
});

t.test("it says the same as if all that each has read were looked through", async (t) => {
  const reading = fc.record({ reader: fc.nat(4).map(String), seen: fc.array(fc.constantFrom(...MIXED)) });
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 30 }), (readings) => {
      const dependents = new Dependents();
      const model = new Map<string, Set<Dependency>>();
      for (const { reader, seen } of readings) {
        dependents.set(reader, seen);
        model.set(reader, new Set(seen));
      }
      for (const one of MIXED) {
        const readers = [...model.keys()].filter((reader) => model.get(reader)?.has(one));
        t.strictSame(dependents.of(one).toSorted(), readers.sort());
      }
      dependents.clear();
      for (const one of MIXED) t.strictSame(dependents.of(one), []);
    }),
  );
});
