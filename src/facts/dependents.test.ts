import fc from "fast-check";
import t from "tap";
import { Dependents } from "./dependents.ts";

t.test("a dependency has those as readers who read it last time, in the order in which they began to", async (t) => {
  const dependents = new Dependents();
  dependents.set("b", new Set(["x", "y"]));
  dependents.set("a", new Set(["x"]));
  t.strictSame(dependents.of("x"), ["b", "a"]);
  dependents.set("b", new Set(["x"]));
  t.strictSame(dependents.of("x"), ["b", "a"], "who goes on reading it keeps its place");
  t.strictSame(dependents.of("y"), []);
  dependents.delete("b");
  t.strictSame(dependents.of("x"), ["a"]);
});

t.test("it says the same as if all that each has read were looked through", async (t) => {
  const reading = fc.record({ reader: fc.nat(4).map(String), seen: fc.array(fc.nat(4).map(String)) });
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 30 }), (readings) => {
      const dependents = new Dependents();
      const model = new Map<string, Set<string>>();
      for (const { reader, seen } of readings) {
        dependents.set(reader, new Set(seen));
        model.set(reader, new Set(seen));
      }
      for (const dependency of ["0", "1", "2", "3", "4"]) {
        const readers = [...model.keys()].filter((reader) => model.get(reader)?.has(dependency));
        t.strictSame(dependents.of(dependency).toSorted(), readers.sort());
      }
      dependents.clear();
      for (const dependency of ["0", "1", "2", "3", "4"]) t.strictSame(dependents.of(dependency), []);
    }),
  );
});
