// SPDX-License-Identifier: Apache-2.0

import { applyDelta } from "./delta.ts";
import { OvsdbError } from "./errors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { AnyTableSchema } from "./schema.ts";
import { type ColumnCodec, columnCodec, type Value } from "./value.ts";

/** A row of any table: its uuid and the mirrored columns. */
export interface AnyRow {
  readonly _uuid: string;
  readonly [column: string]: Value;
}

/** Creates rows of one table from the server's messages. */
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

  /** A complete row; omitted columns have their default. Throws OvsdbError `protocol`. */
  decode(uuid: string, json: Json): AnyRow {
    const members = membersOf(json);
    const row = { ...this.#template, _uuid: uuid } as Record<string, Value>;
    for (const column in members) {
      // The server sends the requested columns; others are ignored.
      const codec = this.#codecs.get(column);
      if (codec !== undefined) row[column] = codec.decode(members[column] as Json);
    }
    return row as unknown as AnyRow;
  }

  /** `old` with the differences of a "modify"; `old` itself if there are none. Throws OvsdbError `protocol`. */
  modify(old: AnyRow, json: Json): AnyRow {
    const members = membersOf(json);
    let row: Record<string, Value> | undefined;
    for (const column in members) {
      const codec = this.#codecs.get(column);
      if (codec === undefined) continue;
      const value = applyDelta(codec, old[column], codec.decode(members[column] as Json));
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
}

function membersOf(json: Json): JsonObject {
  if (isJsonObject(json)) return json;
  throw new OvsdbError("protocol", "a row that is not an object");
}
