// SPDX-License-Identifier: Apache-2.0

import type { AnyChange } from "../../mirror-table.ts";
import type { AnyRow } from "../../row-codec.ts";
import type { AnyTableSchema, ColumnSchema } from "../../schema.ts";
import { type Atom, columnCodec, type Value } from "../../value.ts";
import { checkAtom } from "./decode.ts";
import { OperationFailure } from "./failure.ts";
import { pruneWeak, type Reference, references } from "./references.ts";
import type { MemoryStore } from "./store.ts";

type Staged = ReadonlyMap<string, ReadonlyMap<string, AnyRow | undefined>>;

/** Throws Failure `constraint violation` if a value is outside the column's constraints. */
export function checkValue(column: ColumnSchema, name: string, value: Value): void {
  if (columnCodec(column).kind === "map") {
    const pairs = Object.entries(value as Readonly<Record<string, Atom>>);
    for (const [, atom] of pairs) checkAtom(column.value ?? column.key, atom);
    checkCount(column, name, pairs.length);
    return;
  }
  const atoms = value === undefined ? [] : Array.isArray(value) ? (value as readonly Atom[]) : [value as Atom];
  for (const atom of atoms) checkAtom(column.key, atom);
  checkCount(column, name, atoms.length);
}

function checkCount(column: ColumnSchema, name: string, count: number): void {
  if (count < column.min || count > column.max) {
    throw new OperationFailure(
      "constraint violation",
      `${name}: ${count} members where ${column.min} to ${column.max} are allowed`,
    );
  }
}

/**
 * The resulting changes of a transaction, after the steps of a commit as in ovsdb-server: strong references must be
 * valid, rows of non-root tables without one are collected, weak references to deleted rows are removed, `maxRows`
 * and unique indexes must hold (RFC 7047 §3.2). Visits all rows, which is fast enough for tests and keeps it short.
 */
export function commitChanges(store: MemoryStore, staged: Staged): readonly AnyChange[] {
  // A query, and the transaction by which a leader asks whether it still has the lock.
  if (staged.size === 0) return [];
  const after = new Map<string, Map<string, AnyRow>>();
  for (const [table, rows] of store.tables) after.set(table, new Map(rows));
  for (const [table, rows] of staged) {
    for (const [uuid, row] of rows) {
      if (row === undefined) after.get(table)?.delete(uuid);
      else after.get(table)?.set(uuid, row);
    }
  }
  const exists = ({ table, uuid }: Reference): boolean => after.get(table)?.has(uuid) === true;
  const counts = countReferences(store, after, exists);
  collectGarbage(store, after, counts);
  for (const [table, rows] of after) {
    const schema = store.schemas.get(table);
    if (schema === undefined) continue;
    for (const [uuid, row] of rows) {
      const pruned = prune(schema, row, exists);
      if (pruned !== row) rows.set(uuid, pruned);
    }
    checkTable(table, schema, rows);
  }
  return differences(store, after);
}

/** uuid → the number of strong references to it. */
function countReferences(
  store: MemoryStore,
  after: ReadonlyMap<string, ReadonlyMap<string, AnyRow>>,
  exists: (ref: Reference) => boolean,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [table, rows] of after) {
    for (const row of rows.values()) {
      for (const ref of references(schemaOf(store, table), row)) {
        if (!ref.strong) continue;
        counts.set(ref.uuid, (counts.get(ref.uuid) ?? 0) + 1);
        if (exists(ref)) continue;
        const from = `Table ${table} column ${ref.column} row ${row._uuid}`;
        throw new OperationFailure(
          "referential integrity violation",
          `${from} references nonexistent row ${ref.uuid} in table ${ref.table}.`,
        );
      }
    }
  }
  return counts;
}

function collectGarbage(
  store: MemoryStore,
  after: Map<string, Map<string, AnyRow>>,
  counts: Map<string, number>,
): void {
  const garbage: [string, AnyRow][] = [];
  for (const [table, rows] of after) {
    if (schemaOf(store, table).isRoot) continue;
    for (const row of rows.values()) if (!counts.has(row._uuid)) garbage.push([table, row]);
  }
  for (let next = garbage.pop(); next !== undefined; next = garbage.pop()) {
    const [table, row] = next;
    after.get(table)?.delete(row._uuid);
    for (const ref of references(schemaOf(store, table), row)) {
      if (!ref.strong) continue;
      const left = (counts.get(ref.uuid) ?? 0) - 1;
      counts.set(ref.uuid, left);
      const held = after.get(ref.table)?.get(ref.uuid);
      if (left === 0 && held !== undefined && !schemaOf(store, ref.table).isRoot) garbage.push([ref.table, held]);
    }
  }
}

function prune(schema: AnyTableSchema, row: AnyRow, exists: (ref: Reference) => boolean): AnyRow {
  let pruned: Record<string, Value> | undefined;
  for (const ref of references(schema, row)) {
    if (ref.strong || exists(ref)) continue;
    pruned ??= { ...row };
    pruned[ref.column] = pruneWeak(schema, ref.column, pruned[ref.column], exists);
    checkValue(schema.columns[ref.column] as ColumnSchema, ref.column, pruned[ref.column]);
  }
  return pruned === undefined ? row : (pruned as unknown as AnyRow);
}

function checkTable(table: string, schema: AnyTableSchema, rows: ReadonlyMap<string, AnyRow>): void {
  if (schema.maxRows !== undefined && rows.size > schema.maxRows) {
    throw new OperationFailure(
      "constraint violation",
      `table ${table} would have ${rows.size} rows, at most ${schema.maxRows} are allowed`,
    );
  }
  for (const columns of schema.indexes) {
    const seen = new Map<string, string>();
    for (const row of rows.values()) {
      const key = JSON.stringify(columns.map((column) => row[column] ?? null));
      const other = seen.get(key);
      if (other !== undefined) {
        const where = `table "${table}" to have identical values (${key}) for index on columns ${columns.join(", ")}`;
        throw new OperationFailure(
          "constraint violation",
          `Transaction causes multiple rows in ${where}: ${other} and ${row._uuid}.`,
        );
      }
      seen.set(key, row._uuid);
    }
  }
}

function differences(
  store: MemoryStore,
  after: ReadonlyMap<string, ReadonlyMap<string, AnyRow>>,
): readonly AnyChange[] {
  const changes: AnyChange[] = [];
  for (const [table, rows] of after) {
    const before = store.tables.get(table) ?? new Map<string, AnyRow>();
    for (const [uuid, old] of before) if (!rows.has(uuid)) changes.push({ table, uuid, old });
    for (const [uuid, row] of rows) {
      const old = before.get(uuid);
      if (old === undefined) changes.push({ table, uuid, new: row });
      else if (old !== row && !sameRow(schemaOf(store, table), old, row)) changes.push({ table, uuid, old, new: row });
    }
  }
  return changes;
}

function sameRow(schema: AnyTableSchema, a: AnyRow, b: AnyRow): boolean {
  return Object.entries(schema.columns).every(([name, column]) => columnCodec(column).equal(a[name], b[name]));
}

function schemaOf(store: MemoryStore, table: string): AnyTableSchema {
  const schema = store.schemas.get(table);
  if (schema === undefined) throw new OperationFailure("unknown table", table);
  return schema;
}
