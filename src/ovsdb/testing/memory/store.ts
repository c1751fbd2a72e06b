// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import type { AnyChange } from "../../mirror-table.ts";
import type { AnyRow } from "../../row-codec.ts";
import type { AnyTableSchema } from "../../schema.ts";

/** Commits that are kept for clients that reconnect, as ovsdb-server does for clustered databases. */
const HISTORY = 100;

/** One database of the server in memory: its rows and its latest commits. */
export class MemoryStore {
  readonly name: string;
  readonly schemas: ReadonlyMap<string, AnyTableSchema>;
  /** Table → uuid → row, with all columns. */
  readonly tables = new Map<string, Map<string, AnyRow>>();
  #history: { readonly id: string; readonly changes: readonly AnyChange[] }[] = [];
  #last: string = randomUUID();

  constructor(name: string, schemas: ReadonlyMap<string, AnyTableSchema>) {
    this.name = name;
    this.schemas = schemas;
    for (const table of schemas.keys()) this.tables.set(table, new Map());
  }

  /** Id of the last transaction. */
  get last(): string {
    return this.#last;
  }

  commit(changes: readonly AnyChange[]): void {
    for (const change of changes) {
      const rows = this.tables.get(change.table);
      if (change.new === undefined) rows?.delete(change.uuid);
      else rows?.set(change.uuid, change.new);
    }
    this.#last = randomUUID();
    this.#history.push({ id: this.#last, changes });
    if (this.#history.length > HISTORY) this.#history.shift();
  }

  /** The changes since a transaction, one for each row; undefined if not known. */
  since(id: string): readonly AnyChange[] | undefined {
    if (id === this.#last) return [];
    const at = this.#history.findIndex((entry) => entry.id === id);
    if (at < 0) return undefined;
    /** uuid → its change from then to now. */
    const merged = new Map<string, AnyChange>();
    for (const { changes } of this.#history.slice(at + 1)) {
      for (const change of changes) {
        const first = merged.get(change.uuid) ?? change;
        merged.set(change.uuid, {
          table: change.table,
          uuid: change.uuid,
          ...(first.old === undefined ? {} : { old: first.old }),
          ...(change.new === undefined ? {} : { new: change.new }),
        });
      }
    }
    return [...merged.values()];
  }

  /** Drops the commits (not the rows), as a restarted server does. */
  forgetHistory(): void {
    this.#history = [];
    this.#last = randomUUID();
  }
}
