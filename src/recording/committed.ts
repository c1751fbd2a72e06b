// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../desired/fragment.ts";
import { splitMapEntry } from "../desired/map-entry.ts";
import { EDGE_COLUMNS } from "../kinds/edge-columns.ts";
import { OVN_NB, type OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";
import { isMap, membersOf } from "../reconcile/members.ts";
import type { Columns, RecordedPlan } from "./record.ts";

/** A row of the database. */
export interface CommittedRow {
  readonly table: string;
  readonly columns: Columns;
}

/**
 * The rows of the northbound database as the recorded transactions leave them. Applying a transaction again changes nothing, as in the database. A row
 * that is not referenced any more is collected when {@link rows} is asked for, as OVSDB does.
 */
export class CommittedRows {
  readonly #rows = new Map<string, CommittedRow>();

  /** The row existed. */
  set(uuid: string, row: CommittedRow): void {
    this.#rows.set(uuid, row);
  }

  get(uuid: string): CommittedRow | undefined {
    return this.#rows.get(uuid);
  }

  /** Applies a committed transaction. */
  apply({ inserts, updates, mutations, deletes }: RecordedPlan): void {
    for (const { uuid, table, columns } of inserts)
      this.#rows.set(uuid, { table, columns: { ...this.#rows.get(uuid)?.columns, ...columns } });
    for (const { row, columns } of updates) {
      const present = this.#rows.get(row.uuid);
      this.#rows.set(row.uuid, { table: row.table, columns: { ...row.columns, ...present?.columns, ...columns } });
    }
    for (const { table, row, column, insert, delete: leaving } of mutations) {
      const present = this.#rows.get(row)?.columns ?? {};
      const members = new Set(membersOf(present[column]));
      for (const member of leaving) members.delete(member);
      for (const member of insert) members.add(member);
      const value = withMembers(table, column, present[column], [...members].sort());
      this.#rows.set(row, { table, columns: { ...present, [column]: value } });
    }
    for (const { uuid } of deletes) this.#rows.delete(uuid);
  }

  /** All rows, by uuid. */
  rows(): ReadonlyMap<string, CommittedRow> {
    for (let before = -1; before !== this.#rows.size; ) {
      before = this.#rows.size;
      const named = new Set<string>();
      for (const { columns } of this.#rows.values()) {
        for (const value of Object.values(columns)) {
          if (typeof value === "string") named.add(value);
          else if (Array.isArray(value)) for (const item of value) named.add(String(item));
        }
      }
      for (const [uuid, { table }] of this.#rows) if (!isRoot(table) && !named.has(uuid)) this.#rows.delete(uuid);
    }
    return this.#rows;
  }
}

/** The value of a column with these members: a set or a map. */
function withMembers(table: string, column: string, present: ColumnValue, members: readonly string[]): ColumnValue {
  const isEntries = isMap(present) || (table === "Chassis_Template_Var" && column === "variables");
  return isEntries ? Object.fromEntries(members.map(splitMapEntry)) : members;
}

function isRoot(table: string): boolean {
  return OVN_NB.tables[table as keyof OvnNbTables]?.isRoot ?? true;
}

/** The sets of a table that edges feed. */
export function edgeColumnsOf(table: string): readonly { readonly column: string; readonly exclusive: boolean }[] {
  return EDGE_COLUMNS.get(table) ?? [];
}
