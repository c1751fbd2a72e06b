// SPDX-License-Identifier: Apache-2.0

import type { TableName } from "./schema.ts";

/** A row of a mirror. It is never changed in place: after an update the mirror holds another object. */
export type MirrorRow<Row> = Row & { readonly _uuid: string };

/** One row that came, went or changed. */
export type RowChange<Tables> = {
  [Table in TableName<Tables>]: {
    readonly table: Table;
    readonly uuid: string;
    /** Absent for a row that came (or that now meets the mirror's condition). */
    readonly old?: MirrorRow<Tables[Table]>;
    /** Absent for a row that went. */
    readonly new?: MirrorRow<Tables[Table]>;
  };
}[TableName<Tables>];

/** Rows of one table by a key that was derived from each. Kept up to date with the mirror. */
export interface RowIndex<Row> {
  /** The rows with that key, in no particular order. */
  lookup(key: string): readonly MirrorRow<Row>[];
  /** Number of distinct keys. */
  readonly size: number;
}

/**
 * A copy in memory of part of a database, kept current by the server (ovsdb-server(7) §4.1.15). It outlives connections: when one
 * is lost the mirror keeps what it had with `synced` false, and when the next one has brought it up to date, listeners
 * are told what differs and nothing else.
 */
export interface Mirror<Tables> {
  /** The mirror is being kept current. False before the first reading, and from the loss of a connection until caught up. */
  readonly synced: boolean;
  /** Resolves when `synced` is or becomes true. Rejects OvsdbError `abandoned` by the signal, `closed` by `close()`. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** Called with each change of `synced`; returns what ends it. */
  onSyncedChange(listener: (synced: boolean) => void): () => void;
  get<Table extends TableName<Tables>>(table: Table, uuid: string): MirrorRow<Tables[Table]> | undefined;
  /** All rows of a table. The iterator must be used up before control returns to the event loop. */
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
   * Calls `listener` after the mirror and its indexes have been updated: once for each message of the server (which is one
   * transaction or several), and after each time that it was read again, with the differences. What it throws becomes a `listener-error` event.
   * Subscribe in the same turn as `monitor()`, and it gets the first reading as well. Returns what ends the subscription.
   */
  subscribe(listener: (changes: readonly RowChange<Tables>[]) => void): () => void;
  /** Stops mirroring and frees the rows. */
  close(): void;
}
