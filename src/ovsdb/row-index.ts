// SPDX-License-Identifier: Apache-2.0

import type { RowIndex } from "./mirror.ts";
import type { AnyRow } from "./row-codec.ts";

/** How an index derives keys, see {@link import("./mirror.ts").Mirror.index}. */
export type KeyOf = (row: AnyRow) => string | readonly string[] | undefined;

/** An index over the rows of one table; it stores uuids, so a row that changes under the same key needs no update. */
export class TableIndex implements RowIndex<AnyRow> {
  readonly #keyOf: KeyOf;
  readonly #onError: (error: unknown) => void;
  readonly #rows: ReadonlyMap<string, AnyRow>;
  /** key → the uuid of the only row with it, or the uuids of several. */
  readonly #uuids = new Map<string, string | Set<string>>();

  /** `onError` is called with errors of `keyOf`; the row is then not indexed. */
  constructor(rows: ReadonlyMap<string, AnyRow>, keyOf: KeyOf, onError: (error: unknown) => void) {
    this.#rows = rows;
    this.#keyOf = keyOf;
    this.#onError = onError;
    for (const row of rows.values()) this.update(undefined, row);
  }

  get size(): number {
    return this.#uuids.size;
  }

  lookup(key: string): readonly AnyRow[] {
    const found = this.#uuids.get(key);
    if (found === undefined) return [];
    const rows: AnyRow[] = [];
    for (const uuid of typeof found === "string" ? [found] : found) {
      const row = this.#rows.get(uuid);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }

  /** A row was added, changed, or deleted. */
  update(old: AnyRow | undefined, row: AnyRow | undefined): void {
    const before = this.#keys(old);
    const after = this.#keys(row);
    const uuid = (row ?? old)?._uuid ?? "";
    const kept = after.length > 1 ? new Set(after) : undefined;
    for (const key of before) if (kept === undefined ? key !== after[0] : !kept.has(key)) this.#remove(key, uuid);
    for (const key of after) this.#add(key, uuid);
  }

  clear(): void {
    this.#uuids.clear();
  }

  #keys(row: AnyRow | undefined): readonly string[] {
    if (row === undefined) return [];
    try {
      const keys = this.#keyOf(row);
      if (keys === undefined) return [];
      return typeof keys === "string" ? [keys] : keys;
    } catch (error) {
      this.#onError(error);
      return [];
    }
  }

  #add(key: string, uuid: string): void {
    const found = this.#uuids.get(key);
    if (found === undefined) this.#uuids.set(key, uuid);
    else if (typeof found !== "string") found.add(uuid);
    else if (found !== uuid) this.#uuids.set(key, new Set([found, uuid]));
  }

  #remove(key: string, uuid: string): void {
    const found = this.#uuids.get(key);
    if (found === uuid) this.#uuids.delete(key);
    else if (typeof found === "object" && found.delete(uuid) && found.size === 0) this.#uuids.delete(key);
  }
}
