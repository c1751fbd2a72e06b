import { applyDelta } from "./delta.ts";
import { OvsdbError } from "./errors.ts";
import { isJsonObject, type Json } from "./json.ts";
import type { AnyTableSchema } from "./schema.ts";
import { type ColumnCodec, columnCodec, type Value } from "./value.ts";

/** A row of any table: its uuid and the mirrored columns. */
export interface AnyRow {
  readonly _uuid: string;
  readonly [column: string]: Value;
}

/** Makes rows of one table from what the server sends. */
export class RowCodec {
  readonly columns: readonly string[];
  readonly #codecs: ReadonlyMap<string, ColumnCodec>;
  /** Every row begins as a copy of it, so that all have the same shape (and share the values that are not set). */
  readonly #template: AnyRow;

  constructor(schema: AnyTableSchema, columns: readonly string[]) {
    this.columns = columns;
    const codecs = new Map<string, ColumnCodec>();
    const template: Record<string, Value> = { _uuid: "" };
    for (const column of columns) {
      const described = schema.columns[column];
      if (described === undefined) throw new TypeError(`no column ${column}`);
      const codec = columnCodec(described);
      codecs.set(column, codec);
      template[column] = codec.initial;
    }
    this.#codecs = codecs;
    this.#template = template as unknown as AnyRow;
  }

  /** A whole row; columns that are left out have their default. Throws OvsdbError `protocol`. */
  decode(uuid: string, json: Json): AnyRow {
    const row = { ...this.#template, _uuid: uuid } as Record<string, Value>;
    for (const [column, codec, value] of this.#members(json)) row[column] = codec.decode(value);
    return row as unknown as AnyRow;
  }

  /** `old` with the differences of a "modify"; `old` itself where there are none. Throws OvsdbError `protocol`. */
  modify(old: AnyRow, json: Json): AnyRow {
    let row: Record<string, Value> | undefined;
    for (const [column, codec, delta] of this.#members(json)) {
      const value = applyDelta(codec, old[column], codec.decode(delta));
      if (codec.equal(old[column], value)) continue;
      row ??= { ...old };
      row[column] = value;
    }
    return row === undefined ? old : (row as unknown as AnyRow);
  }

  equal(a: AnyRow, b: AnyRow): boolean {
    for (const [column, codec] of this.#codecs) if (!codec.equal(a[column], b[column])) return false;
    return true;
  }

  *#members(json: Json): Iterable<readonly [string, ColumnCodec, Json]> {
    if (!isJsonObject(json)) throw new OvsdbError("protocol", "a row that is no object");
    for (const column in json) {
      const codec = this.#codecs.get(column);
      // The server sends what was asked for; anything else is not ours to judge.
      if (codec !== undefined) yield [column, codec, json[column] as Json];
    }
  }
}
