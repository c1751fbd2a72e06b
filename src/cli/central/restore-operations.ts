// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { OVN_NB, type OvnNbTables } from "../../ovsdb/generated/ovn-nb.ts";
import type { Mirror } from "../../ovsdb/mirror.ts";
import { insert, type Operation, remove, update } from "../../ovsdb/operation.ts";
import { type TableName, tableSchema } from "../../ovsdb/schema.ts";
import type { Selection } from "../../ovsdb/selection.ts";

/** The database's own settings and counters, which chassis have seen. They stay as they are. */
const SETTINGS: ReadonlySet<string> = new Set(["NB_Global", "Connection", "SSL"]);
/** Written by northd, from the southbound database. */
const STATES: Readonly<Record<string, readonly string[]>> = { Logical_Switch_Port: ["up"], BFD: ["status"] };

type Table = TableName<OvnNbTables>;
type Row = Readonly<Record<string, unknown>>;

/** The northbound database without its settings, for {@link restoreOperations}. */
export const RESTORED: Selection<OvnNbTables> = Object.fromEntries(
  Object.keys(OVN_NB.tables)
    .filter((table) => !SETTINGS.has(table))
    .map((table) => [table, "all"]),
);

/** What a transaction does, in rows. */
export interface Restored {
  readonly operations: readonly Operation[];
  readonly inserted: number;
  readonly changed: number;
  readonly deleted: number;
}

/**
 * The operations that give a database the rows of a backup, with their uuids: rows that are equal are not touched. `ovsdb-client restore` gives every row another
 * uuid, which to northd is another network. Both mirrors are of {@link RESTORED}.
 */
export function restoreOperations(backup: Mirror<OvnNbTables>, live: Mirror<OvnNbTables>): Restored {
  const removals: Operation[] = [];
  const inserts: Operation[] = [];
  const updates: Operation[] = [];
  for (const table of Object.keys(RESTORED) as Table[]) {
    for (const row of live.rows(table)) {
      if (backup.get(table, row._uuid) === undefined) removals.push(remove(OVN_NB, table, row._uuid));
    }
    for (const row of backup.rows(table)) {
      const now = live.get(table, row._uuid) as Row | undefined;
      const columns = restoredColumns(table, row as unknown as Row, now);
      if (now === undefined) inserts.push(insert(OVN_NB, table, row._uuid, columns as never));
      else if (Object.keys(columns).length > 0) updates.push(update(OVN_NB, table, row._uuid, columns as never));
    }
  }
  return {
    // Indexes and references are checked at the end of the transaction.
    operations: [...removals, ...inserts, ...updates],
    ...{ inserted: inserts.length, changed: updates.length, deleted: removals.length },
  };
}

/** The columns of a backup's row that differ; of a row that is gone, all. */
function restoredColumns(table: Table, row: Row, now: Row | undefined): Row {
  const states = STATES[table] ?? [];
  const names = Object.keys(tableSchema(OVN_NB, table).columns).filter((column) => !states.includes(column));
  return Object.fromEntries(
    names.flatMap((column) =>
      now !== undefined && samePlain(row[column], now[column]) ? [] : [[column, row[column]]],
    ),
  );
}
