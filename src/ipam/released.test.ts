// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { ReleasedQueue } from "./released.ts";

t.test("the address released first is allocated first, except those allocated meanwhile", (t) => {
  const operation = fc.record({ at: fc.integer({ min: 0, max: 20 }), kind: fc.constantFrom("push", "delete", "give") });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 100 }), (operations) => {
      const queue = new ReleasedQueue();
      const model: number[] = [];
      for (const [tick, { at, kind }] of operations.entries()) {
        if (kind === "push" && !model.includes(at)) {
          queue.push(at, tick);
          model.push(at);
        } else if (kind === "delete") {
          const index = model.indexOf(at);
          if (queue.delete(at) !== index >= 0) return false;
          if (index >= 0) model.splice(index, 1);
        } else if (kind === "give") {
          const first = queue.first();
          if (first !== model.shift()) return false;
          if (first !== undefined) queue.delete(first);
        }
        if (queue.size !== model.length || queue.has(at) !== model.includes(at)) return false;
      }
      return [...queue.entries()].map((entry) => entry.at).join() === model.join();
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test("beyond its limit, what is oldest is given first by address, and everything else still in its order", (t) => {
  const operation = fc.record({
    at: fc.integer({ min: 0, max: 60 }),
    kind: fc.constantFrom("push", "push", "push", "delete", "give"),
  });
  fc.assert(
    fc.property(fc.constantFrom(4, 16), fc.array(operation, { maxLength: 200 }), (limit, operations) => {
      const queue = new ReleasedQueue(limit);
      const old = new Set<number>();
      const recent: number[] = [];
      for (const [tick, { at, kind }] of operations.entries()) {
        const waiting = old.has(at) || recent.includes(at);
        if (kind === "push" && !waiting) {
          queue.push(at, tick);
          recent.push(at);
          const batch = limit >>> 3 || 1;
          if (recent.length >= limit + batch) for (const oldest of recent.splice(0, batch)) old.add(oldest);
        } else if (kind !== "push") {
          const which = kind === "give" ? (old.size > 0 ? Math.min(...old) : recent[0]) : at;
          if (kind === "give" && queue.first() !== which) return false;
          if (which !== undefined && queue.delete(which) !== (old.has(which) || recent.includes(which))) return false;
          if (which !== undefined && !old.delete(which) && recent.includes(which))
            recent.splice(recent.indexOf(which), 1);
        }
        if (queue.size !== old.size + recent.length) return false;
      }
      return [...queue.entries()].map((entry) => entry.at).join() === recent.join();
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test("beyond its limit it forgets the order of the oldest, but gives them first", (t) => {
  const queue = new ReleasedQueue(3);
  for (const [tick, at] of [50, 10, 51, 9, 60, 61].entries()) queue.push(at, tick);
  t.equal(queue.size, 6);
  t.same(
    [...queue.oldSpans()],
    [
      { first: 10, last: 10 },
      { first: 50, last: 51 },
    ],
  );
  const given: unknown[] = [];
  for (let c = queue.first(); c !== undefined; c = queue.first()) {
    given.push(c);
    queue.delete(c);
  }
  t.same(given, [10, 50, 51, 9, 60, 61]);
  t.equal(queue.size, 0);
  t.equal(queue.delete(10), false);
  t.end();
});
