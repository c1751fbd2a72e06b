// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../../src/desired/fragment.ts";
import type { FactStore } from "../../src/facts/store.ts";
import { compileAll } from "../../src/kinds/compile-all.ts";

/** One row, as far as its columns are set. */
export type Row = Readonly<Record<string, ColumnValue>>;

/** A database as plain data: table → uuid → row. */
export type PlainTables = ReadonlyMap<string, ReadonlyMap<string, Row>>;

/** The rows of a fresh compile of all facts, with the members of sets in their columns. */
export function compileRows(facts: FactStore): PlainTables {
  const tables = new Map<string, Map<string, Record<string, ColumnValue>>>();
  const members = new Map<string, { table: string; row: string; column: string; set: Set<string> }>();
  for (const [unit, { rows, edges }] of compileAll(facts)) {
    for (const { table, uuid, columns } of rows) {
      const known = tables.get(table) ?? new Map<string, Record<string, ColumnValue>>();
      tables.set(table, known);
      if (known.has(uuid)) throw new Error(`${unit} wants a row that another unit wants: ${table} ${uuid}`);
      known.set(uuid, { ...columns });
    }
    for (const { table, row, column, member } of edges) {
      const key = `${row} ${column}`;
      const entry = members.get(key) ?? { table, row, column, set: new Set() };
      entry.set.add(member);
      members.set(key, entry);
    }
  }
  for (const { table, row, column, set } of members.values()) {
    const holder = tables.get(table)?.get(row);
    if (holder !== undefined) holder[column] = [...set].sort();
  }
  return tables;
}
