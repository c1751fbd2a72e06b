import { OvsdbError } from "./errors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { AnyRow, RowCodec } from "./row-codec.ts";
import { type KeyOf, TableIndex } from "./row-index.ts";

/** A change of one row, its table's row type forgotten. */
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
   * Takes in a `<table-update2>` (ovsdb-server(7) §4.1.14) and adds to `changes`. Throws OvsdbError `protocol` where it does not fit what
   * is here; the table must then be read anew.
   */
  apply(update: Json, changes: AnyChange[]): void {
    for (const [uuid, row] of rowUpdates(update)) {
      if ("delete" in row) this.#set(uuid, undefined, changes);
      else if ("modify" in row) this.#modify(uuid, row["modify"] ?? null, changes);
      else this.#set(uuid, this.#codec.decode(uuid, row["insert"] ?? row["initial"] ?? null), changes);
    }
  }

  /** Takes in all rows that there are; adds to `changes` what differs from what was here. */
  replace(update: Json | undefined, changes: AnyChange[]): void {
    const present = update ?? {};
    if (!isJsonObject(present)) throw new OvsdbError("protocol", "a table update that is no object");
    for (const uuid of this.#rows.keys()) {
      if (!Object.hasOwn(present, uuid)) this.#set(uuid, undefined, changes);
    }
    this.apply(present, changes);
  }

  clear(): void {
    this.#rows.clear();
    for (const index of this.#indexes.values()) index.clear();
  }

  #modify(uuid: string, json: Json, changes: AnyChange[]): void {
    const old = this.#rows.get(uuid);
    if (old === undefined) throw new OvsdbError("protocol", `${this.name} ${uuid} was modified but is not here`);
    this.#set(uuid, this.#codec.modify(old, json), changes);
  }

  #set(uuid: string, row: AnyRow | undefined, changes: AnyChange[]): void {
    const old = this.#rows.get(uuid);
    if (row === undefined) {
      if (old === undefined) return;
      this.#rows.delete(uuid);
      changes.push({ table: this.name, uuid, old });
    } else {
      if (old === row || (old !== undefined && this.#codec.equal(old, row))) return;
      this.#rows.set(uuid, row);
      changes.push(
        old === undefined ? { table: this.name, uuid, new: row } : { table: this.name, uuid, old, new: row },
      );
    }
    for (const index of this.#indexes.values()) index.update(old, row);
  }
}

function* rowUpdates(update: Json): Iterable<readonly [string, JsonObject]> {
  if (!isJsonObject(update)) throw new OvsdbError("protocol", "a table update that is no object");
  for (const uuid in update) {
    const row = update[uuid];
    if (!isJsonObject(row)) throw new OvsdbError("protocol", "a row update that is no object");
    yield [uuid, row];
  }
}
