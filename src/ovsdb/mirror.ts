// SPDX-License-Identifier: Apache-2.0

import type { TableName } from "./schema.ts";

/** A row of a mirror. It is never changed in place: after an update the mirror contains another object. */
export type MirrorRow<Row> = Row & { readonly _uuid: string };

/** One row that was added, deleted or changed. */
export type RowChange<Tables> = {
  [Table in TableName<Tables>]: {
    readonly table: Table;
    readonly uuid: string;
    /** Absent for an added row (or one that now matches the mirror's condition). */
    readonly old?: MirrorRow<Tables[Table]>;
    /** Absent for a deleted row. */
    readonly new?: MirrorRow<Tables[Table]>;
  };
}[TableName<Tables>];

/** Rows of one table by a key that is derived from each. Updated with the mirror. */
export interface RowIndex<Row> {
  /** The rows with that key, in no particular order. */
  lookup(key: string): readonly MirrorRow<Row>[];
  /** Number of distinct keys. */
  readonly size: number;
}

/**
 * A copy in memory of part of a database, updated by the server (ovsdb-server(7) §4.1.15). It outlives connections:
 * when one is lost the mirror keeps its content with `synced` false, and when the next one has updated it, listeners
 * get only the differences.
 */
export interface Mirror<Tables> {
  /**
   * The mirror is current. False before the first reading, and from the loss of a connection until it is current
   * again.
   */
  readonly synced: boolean;
  /** Resolves when `synced` is or becomes true. Rejects OvsdbError `abandoned` by the signal, `closed` by `close()`. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** Called with each change of `synced`; returns the function that removes the listener. */
  onSyncedChange(listener: (synced: boolean) => void): () => void;
  get<Table extends TableName<Tables>>(table: Table, uuid: string): MirrorRow<Tables[Table]> | undefined;
  /** All rows of a table. The iterator must be consumed before control returns to the event loop. */
  rows<Table extends TableName<Tables>>(table: Table): IterableIterator<MirrorRow<Tables[Table]>>;
  size(table: TableName<Tables>): number;
  /**
   * Declares an index, once for each `name` in a table (the second time throws a TypeError). `keyOf` is pure; it returns a row's
   * key or keys, or undefined for a row that is not indexed.
   */
  index<Table extends TableName<Tables>>(
    table: Table,
    name: string,
    keyOf: (row: MirrorRow<Tables[Table]>) => string | readonly string[] | undefined,
  ): RowIndex<Tables[Table]>;
  /**
   * Calls `listener` after the mirror and its indexes have been updated: once for each message of the server (one
   * transaction or several), and after each complete reading, with the differences. An exception becomes a
   * `listener-error` event. If it subscribes in the same turn as `monitor()`, it gets the initial rows as well.
   * Returns the function that ends the subscription.
   */
  subscribe(listener: (changes: readonly RowChange<Tables>[]) => void): () => void;
  /** Stops mirroring and drops the rows. */
  close(): void;
}
