// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { TEST } from "../../src/ovsdb/testing/schema.ts";
import { schemaJson } from "../../src/ovsdb/testing/schema-json.ts";
import { generateOvsdb, schemaSource } from "./ovsdb.ts";
import { parseSchema } from "./ovsschema.ts";

t.test("each column gets the type and the descriptor that its schema says", async (t) => {
  const source = schemaSource(parseSchema(schemaJson(TEST)), "TEST", "TestTables");
  for (const line of [
    "export interface SwitchRow {",
    "  readonly name: string;",
    "  readonly ports: readonly string[];",
    "  readonly ids: Readonly<Record<string, string>>;",
    '  readonly mode: "fast" | "slow" | undefined;',
    "  readonly up: boolean | undefined;",
    "export const TEST: DatabaseSchema<TestTables> = {",
    '        tag: { key: { type: "integer", minInteger: 0, maxInteger: 4095 }, min: 0, max: 1 },',
  ]) {
    t.ok(source.includes(`${line}\n`), line);
  }
});

t.test("short forms of the schema mean what RFC 7047 says", async (t) => {
  const { tables } = parseSchema({
    name: "Short",
    version: "1.0.0",
    tables: { A_b: { columns: { c: { type: "string" }, d: { type: { key: { type: "uuid", refTable: "A_b" } } } } } },
  });
  t.same(tables, [
    {
      name: "A_b",
      isRoot: true,
      indexes: [],
      maxRows: undefined,
      columns: [
        ["c", { key: { type: "string" }, min: 1, max: 1 }],
        ["d", { key: { type: "uuid", refTable: "A_b", refType: "strong" }, min: 1, max: 1 }],
      ],
    },
  ]);
  t.throws(() => parseSchema({ name: "x" }), /version|tables/);
});

const { stale, skipped } = await generateOvsdb({ check: true });

t.test(
  "the generated files are what the schemas of the pinned OVN and OVS give",
  { skip: skipped ?? false },
  async (t) => {
    t.same(stale, []);
  },
);
