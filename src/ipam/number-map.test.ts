// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { NumberMap } from "./number-map.ts";
import { OffsetMap } from "./offset-map.ts";

// Few keys with colliding hashes, which are added and deleted.
const key = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.integer({ min: 0, max: 40 }).map((i) => i * 2 ** 20),
  fc.integer({ min: 0, max: 40 }).map((i) => 2 ** 47 - i * 4096),
);

t.test("it behaves as a Map does", (t) => {
  const operation = fc.record({ key, value: fc.integer(), remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
      const map = new NumberMap<number>();
      const model = new Map<number, number>();
      for (const { key, value, remove } of operations) {
        if (remove) {
          if (map.delete(key) !== model.delete(key)) return false;
        } else {
          map.set(key, value);
          model.set(key, value);
        }
        if (map.size !== model.size) return false;
      }
      for (const { key } of operations) if (map.get(key) !== model.get(key)) return false;
      const sorted = (entries: Iterable<[number, number]>) => [...entries].sort((a, b) => a[0] - b[0]).join();
      return (
        sorted(map.entries()) === sorted(model) &&
        [...map.keys()].sort((a, b) => a - b).join() === [...model.keys()].sort((a, b) => a - b).join()
      );
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test("a hundred thousand entries are added and deleted", (t) => {
  const map = new NumberMap<number>();
  for (let i = 0; i < 100_000; i++) map.set(i * 3, i);
  t.equal(map.size, 100_000);
  for (let i = 0; i < 100_000; i++) if (map.get(i * 3) !== i) t.fail(`${i} is lost`);
  for (let i = 0; i < 100_000; i += 2) map.delete(i * 3);
  for (let i = 0; i < 100_000; i++) if (map.get(i * 3) !== (i % 2 === 0 ? undefined : i)) t.fail(`${i} is wrong`);
  for (let i = 1; i < 100_000; i += 2) map.delete(i * 3);
  t.equal(map.size, 0);
  t.end();
});

t.test("coordinates come in order, numbers and bigints together", (t) => {
  const map = new OffsetMap<string>();
  for (const c of [7, -(2n ** 60n), 2n ** 70n, -3, 2n ** 60n, 0]) map.set(c, String(c));
  t.same([...map.sortedKeys()], [-(2n ** 60n), -3, 0, 7, 2n ** 60n, 2n ** 70n]);
  t.equal(map.size, 6);
  t.equal(map.get(2n ** 60n), String(2n ** 60n));
  t.equal(map.delete(2n ** 60n), true);
  t.equal(map.has(2n ** 60n), false);
  t.equal([...map.entries()].length, 5);
  t.end();
});
