// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import type { Json } from "./json.ts";
import { type ColumnSchema, columnKind } from "./schema.ts";
import { columnCodec, type Value } from "./value.ts";

const UNLIMITED = Number.POSITIVE_INFINITY;
const SCALAR: ColumnSchema = { key: { type: "string" }, min: 1, max: 1 };
const OPTIONAL: ColumnSchema = { key: { type: "integer" }, min: 0, max: 1 };
const SET: ColumnSchema = { key: { type: "string" }, min: 0, max: UNLIMITED };
const UUIDS: ColumnSchema = { key: { type: "uuid" }, min: 0, max: UNLIMITED };
const NUMBERS: ColumnSchema = { key: { type: "integer" }, min: 1, max: 5 };
const MAP: ColumnSchema = { key: { type: "string" }, value: { type: "string" }, min: 0, max: UNLIMITED };
const INT_MAP: ColumnSchema = { key: { type: "integer" }, value: { type: "uuid" }, min: 0, max: UNLIMITED };
const REAL: ColumnSchema = { key: { type: "real" }, min: 1, max: 1 };
const A = "00000000-0000-4000-8000-00000000000a";
const B = "00000000-0000-4000-8000-00000000000b";

const decode = (column: ColumnSchema, json: Json): Value => columnCodec(column).decode(json);
const encode = (column: ColumnSchema, value: Value): Json => columnCodec(column).encode(value, "Table.column");

t.test("each kind of column has its form in TypeScript", async (t) => {
  t.same([SCALAR, OPTIONAL, SET, NUMBERS, MAP].map(columnKind), ["scalar", "optional", "set", "set", "map"]);
  t.equal(decode(SCALAR, "x"), "x");
  t.equal(decode(OPTIONAL, ["set", []]), undefined);
  t.equal(decode(OPTIONAL, 7), 7);
  t.equal(decode(OPTIONAL, ["set", [7]]), 7);
  t.same(decode(SET, "only"), ["only"]);
  t.same(decode(SET, ["set", ["b", "a"]]), ["a", "b"]);
  t.same(
    decode(UUIDS, [
      "set",
      [
        ["uuid", B],
        ["uuid", A],
      ],
    ]),
    [A, B],
  );
  t.same(decode(NUMBERS, ["set", [10, 9]]), [9, 10], "numbers by size, not as text");
  t.same(decode(MAP, ["map", [["k", "v"]]]), { k: "v" });
  t.same(decode(INT_MAP, ["map", [[5, ["uuid", A]]]]), { "5": A });
});

t.test("values are encoded in the server's format", async (t) => {
  t.same(encode(OPTIONAL, undefined), ["set", []]);
  t.same(encode(OPTIONAL, 7), 7);
  t.same(encode(SET, []), ["set", []]);
  t.same(encode(UUIDS, [A]), ["set", [["uuid", A]]]);
  t.same(encode(INT_MAP, { "5": A }), ["map", [[5, ["uuid", A]]]]);
});

t.test("a value that does not fit its column is refused, and the error names the column", async (t) => {
  const cases: readonly [ColumnSchema, Value][] = [
    [SCALAR, undefined],
    [SCALAR, 3],
    [OPTIONAL, 1.5],
    [OPTIONAL, Number.NaN],
    [OPTIONAL, 2 ** 60],
    [SET, "not an array"],
    [SET, undefined],
    [UUIDS, ["nonsense"]],
    [UUIDS, [A.toUpperCase()]],
    [NUMBERS, [1, 2, 3, 4, 5, 6]],
    [MAP, ["a"]],
    [INT_MAP, { five: A }],
    [INT_MAP, { "5": A, "05": A }],
    [SET, ["a", "a"]],
    [SET, ["b", "a", "b"]],
    [UUIDS, [A, A]],
    [REAL, Number.NaN],
    [REAL, 5e-324],
    [SCALAR, "a\0b"],
    [SCALAR, "\ud800"],
    [SET, ["fine", "a\udc00\ud800"]],
    [MAP, { "k\0": "v" }],
    [MAP, { k: "\udfff" }],
  ];
  for (const [column, value] of cases) {
    t.throws(
      () => encode(column, value),
      { code: "invalid value", message: /^Table\.column: / },
      JSON.stringify(value),
    );
  }
});

t.test("a value that the server must not send is a protocol error", async (t) => {
  const cases: readonly [ColumnSchema, Json][] = [
    [SCALAR, 3],
    [SCALAR, ["set", []]],
    [SCALAR, ["set", ["a", "b"]]],
    [OPTIONAL, "x"],
    [SET, ["set", "x"]],
    [UUIDS, A],
    [MAP, ["set", []]],
    [MAP, ["map", [["k"]]]],
    [MAP, null],
  ];
  for (const [column, json] of cases) t.throws(() => decode(column, json), { code: "protocol" }, JSON.stringify(json));
});

t.test("a map may have any text as key", async (t) => {
  const map = decode(MAP, [
    "map",
    [
      ["__proto__", "a"],
      ["constructor", "b"],
    ],
  ]) as Readonly<Record<string, string>>;
  t.same(Object.entries(map), [
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
  t.same(encode(MAP, map), [
    "map",
    [
      ["__proto__", "a"],
      ["constructor", "b"],
    ],
  ]);
});

t.test("every valid text can be encoded", async (t) => {
  for (const text of ["", "\u0001\u007f\u0085", "\ufeff\ufffe\uffff", "\u{1f600}\u{10ffff}", "\\u0000", "\\\\ud800"]) {
    t.equal(encode(SCALAR, text), text);
  }
  t.equal(encode(REAL, 2.2250738585072014e-308), 2.2250738585072014e-308);
});

t.test("decoding what was encoded gives an equal value, sets sorted and maps in any order", async (t) => {
  const set = fc.uniqueArray(fc.string({ unit: "grapheme" }));
  fc.assert(
    fc.property(set, (members) => {
      const back = decode(SET, encode(SET, members)) as readonly string[];
      return (
        columnCodec(SET).equal(back, [...members].sort()) &&
        back.every((m, i) => i === 0 || (back[i - 1] as string) < m)
      );
    }),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), (map) => {
      const back = decode(MAP, encode(MAP, map));
      return columnCodec(MAP).equal(back, Object.fromEntries(Object.entries(map).reverse()));
    }),
  );
  t.pass();
});

t.test("equality compares every member and key", async (t) => {
  const { equal } = columnCodec(MAP);
  t.ok(equal({ a: "1", b: "2" }, { b: "2", a: "1" }));
  t.notOk(equal({ a: "1" }, { a: "2" }));
  t.notOk(equal({ a: "1" }, { b: "1" }));
  t.notOk(equal({ a: "1" }, { a: "1", b: "2" }));
  t.ok(columnCodec(SET).equal(["a"], ["a"]));
  t.notOk(columnCodec(SET).equal(["a"], ["a", "b"]));
  t.notOk(columnCodec(OPTIONAL).equal(undefined, 0));
});
