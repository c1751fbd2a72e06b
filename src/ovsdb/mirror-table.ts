// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { AnyRow, RowCodec } from "./row-codec.ts";
import { type KeyOf, TableIndex } from "./row-index.ts";

/** A change of one row, without its row type. */
export interface AnyChange {
  readonly table: string;
  readonly uuid: string;
  readonly old?: AnyRow;
  readonly new?: AnyRow;
}

/** The rows of one mirrored table, and its indexes. */
export class MirrorTable {
  readonly name: string;
  readonly #codec: RowCodec;
  readonly #onError: (error: unknown) => void;
  readonly #rows = new Map<string, AnyRow>();
  readonly #indexes = new Map<string, TableIndex>();

  constructor(name: string, codec: RowCodec, onError: (error: unknown) => void) {
    this.name = name;
    this.#codec = codec;
    this.#onError = onError;
  }

  get rows(): ReadonlyMap<string, AnyRow> {
    return this.#rows;
  }

  addIndex(name: string, keyOf: KeyOf): TableIndex {
    if (this.#indexes.has(name)) throw new TypeError(`${this.name} has an index ${name} already`);
    const index = new TableIndex(this.#rows, keyOf, this.#onError);
    this.#indexes.set(name, index);
    return index;
  }

  /**
   * Processes a `<table-update2>` (ovsdb-server(7) §4.1.14) and adds to `changes`. Throws OvsdbError `protocol` if it
   * does not fit the content; the table must then be read again.
   */
  apply(update: Json, changes: AnyChange[]): void {
    const rows = objectOf(update);
    for (const uuid in rows) {
      const row = objectOf(rows[uuid] as Json);
      if ("delete" in row) this.#remove(uuid, changes);
      else if ("modify" in row) this.#modify(uuid, row["modify"] as Json, changes);
      else this.#put(this.#codec.decode(uuid, row["insert"] ?? row["initial"] ?? null), changes);
    }
  }

  /** Replaces the content by all rows; adds the differences to `changes`. */
  replace(update: Json | undefined, changes: AnyChange[]): void {
    const present = objectOf(update ?? {});
    for (const uuid of this.#rows.keys()) if (!Object.hasOwn(present, uuid)) this.#remove(uuid, changes);
    this.apply(present, changes);
  }

  clear(): void {
    this.#rows.clear();
    for (const index of this.#indexes.values()) index.clear();
  }

  #modify(uuid: string, json: Json, changes: AnyChange[]): void {
    const old = this.#rows.get(uuid);
    if (old === undefined)
      throw new OvsdbError("protocol", `${this.name} ${uuid} was modified but is not in the mirror`);
    const row = this.#codec.modify(old, json);
    if (row !== old) this.#set(old, row, changes);
  }

  #put(row: AnyRow, changes: AnyChange[]): void {
    const old = this.#rows.get(row._uuid);
    // The old object is kept if it is equal, so that a comparison by identity detects no change.
    if (old === undefined || !this.#codec.equal(old, row)) this.#set(old, row, changes);
  }

  #set(old: AnyRow | undefined, row: AnyRow, changes: AnyChange[]): void {
    const { _uuid: uuid } = row;
    this.#rows.set(uuid, row);
    changes.push(old === undefined ? { table: this.name, uuid, new: row } : { table: this.name, uuid, old, new: row });
    for (const index of this.#indexes.values()) index.update(old, row);
  }

  #remove(uuid: string, changes: AnyChange[]): void {
    const old = this.#rows.get(uuid);
    if (old === undefined) return;
    this.#rows.delete(uuid);
    changes.push({ table: this.name, uuid, old });
    for (const index of this.#indexes.values()) index.update(old, undefined);
  }
}

function objectOf(json: Json): JsonObject {
  if (isJsonObject(json)) return json;
  throw new OvsdbError("protocol", "a table or row update that is not an object");
}
