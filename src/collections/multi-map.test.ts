// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { MultiMap } from "./multi-map.ts";

t.test("it contains the same values as a map of sets", async () => {
  const step = fc.record({ add: fc.boolean(), key: fc.nat(3), value: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const map = new MultiMap<number, number>();
      const model = new Map<number, Set<number>>();
      for (const { add, key, value } of steps) {
        const known = model.get(key) ?? new Set();
        if (add) map.add(key, value);
        else map.delete(key, value);
        if (add) known.add(value);
        else known.delete(value);
        if (known.size === 0) model.delete(key);
        else model.set(key, known);
      }
      for (const key of [0, 1, 2, 3]) {
        t.strictSame([...map.get(key)], [...(model.get(key) ?? [])]);
        t.equal(map.has(key), model.has(key));
        for (const value of [0, 1, 2, 3]) t.equal(map.includes(key, value), model.get(key)?.has(value) === true);
      }
      t.strictSame(new Set(map.keys()), new Set(model.keys()));
    }),
  );
});
