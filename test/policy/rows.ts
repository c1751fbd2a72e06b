import { rootsOf, UNIT_KINDS } from "../../src/compile/units.ts";
import type { FactStore } from "../../src/facts/store.ts";
import type { FactKind } from "../../src/facts/types.ts";
import type { ColumnValue } from "../../src/unit/fragment.ts";

/** One row, as far as its columns are set. */
export type Row = Readonly<Record<string, ColumnValue>>;

/** A database as plain data: table → uuid → row. */
export type Tables = ReadonlyMap<string, ReadonlyMap<string, Row>>;

/** The rows that a fresh compile of all facts wants, the members of sets in their columns. */
export function compileRows(facts: FactStore): Tables {
  const tables = new Map<string, Map<string, Record<string, ColumnValue>>>();
  const members = new Map<string, { table: string; row: string; column: string; set: Set<string> }>();
  const rowOf = (table: string, uuid: string): Record<string, ColumnValue> | undefined => tables.get(table)?.get(uuid);
  for (const unit of unitsOf(facts)) {
    const kind = UNIT_KINDS.find((candidate) => candidate.name === unit.kind);
    const input: unknown = kind?.read(facts, unit.key);
    if (kind === undefined || input === undefined) continue;
    const { rows, edges } = kind.compile(input);
    for (const { table, uuid, columns } of rows) {
      if (!tables.has(table)) tables.set(table, new Map());
      if (rowOf(table, uuid) !== undefined) throw new Error(`two units want the row ${table} ${uuid}`);
      tables.get(table)?.set(uuid, { ...columns });
    }
    for (const { table, row, column, member } of edges) {
      const key = `${row} ${column}`;
      const entry = members.get(key) ?? { table, row, column, set: new Set() };
      entry.set.add(member);
      members.set(key, entry);
    }
  }
  for (const { table, row, column, set } of members.values()) {
    const holder = rowOf(table, row);
    if (holder !== undefined) holder[column] = [...set].sort();
  }
  return tables;
}

const ROOT_KINDS: readonly FactKind[] = [
  ...(["vpcs", "subnets", "nodes", "namespaces", "pods", "ips", "groups", "networkPolicies"] as const),
];

function unitsOf(facts: FactStore): readonly { readonly kind: string; readonly key: string }[] {
  const units = new Map<string, { readonly kind: string; readonly key: string }>();
  for (const kind of ROOT_KINDS) {
    for (const fact of facts.all(kind)) {
      for (const unit of rootsOf({ kind, key: fact.key, new: fact, touched: [] }))
        units.set(`${unit.kind}:${unit.key}`, unit);
    }
  }
  return [...units.values()];
}
