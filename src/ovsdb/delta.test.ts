// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { applyDelta } from "./delta.ts";
import type { ColumnSchema } from "./schema.ts";
import { columnCodec, type Value } from "./value.ts";

const UNLIMITED = Number.POSITIVE_INFINITY;
const SET = columnCodec({ key: { type: "string" }, min: 0, max: UNLIMITED } satisfies ColumnSchema);
const MAP = columnCodec({ key: { type: "string" }, value: { type: "string" }, min: 0, max: UNLIMITED });
const OPTIONAL = columnCodec({ key: { type: "integer" }, min: 0, max: 1 });

/** The difference as ovsdb-server(7) §4.1.14 defines it, in the simplest form. */
function difference(old: readonly string[], now: readonly string[]): readonly string[] {
  return [...old.filter((m) => !now.includes(m)), ...now.filter((m) => !old.includes(m))].sort();
}

function mapDifference(old: Record<string, string>, now: Record<string, string>): Record<string, string> {
  const pairs: [string, string][] = [];
  for (const [key, value] of Object.entries(old)) if (!Object.hasOwn(now, key)) pairs.push([key, value]);
  for (const [key, value] of Object.entries(now))
    if (!Object.hasOwn(old, key) || old[key] !== value) pairs.push([key, value]);
  return Object.fromEntries(pairs);
}

t.test("the old set and the difference give the new set", async (t) => {
  const set = fc.uniqueArray(fc.string({ maxLength: 2 })).map((members) => members.sort());
  fc.assert(
    fc.property(set, set, (old, now) => {
      const before = JSON.stringify(old);
      const result = applyDelta(SET, old, difference(old, now));
      return JSON.stringify(result) === JSON.stringify(now) && JSON.stringify(old) === before;
    }),
  );
  t.pass();
});

t.test("the old map and the difference give the new map", async (t) => {
  const map = fc.dictionary(fc.string({ maxLength: 2 }), fc.constantFrom("a", "b"), { noNullPrototype: true });
  fc.assert(fc.property(map, map, (old, now) => MAP.equal(applyDelta(MAP, old, mapDifference(old, now)), now)));
  t.pass();
});

t.test("an optional value is replaced, not exchanged", async (t) => {
  const cases: readonly [Value, Value][] = [
    [1, 2],
    [undefined, 2],
    [1, undefined],
  ];
  for (const [old, now] of cases) t.equal(applyDelta(OPTIONAL, old, now), now);
});
