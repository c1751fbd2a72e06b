// SPDX-License-Identifier: Apache-2.0

import { applyDelta } from "../../delta.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json.ts";
import type { AnyChange } from "../../mirror-table.ts";
import type { AnyRow } from "../../row-codec.ts";
import { columnCodec } from "../../value.ts";
import { columnOf, compileCondition, type RowTest } from "./condition.ts";
import { OperationFailure } from "./failure.ts";
import type { MemoryStore } from "./store.ts";

/** One monitor of one session: converts commits to `<table-updates2>` (ovsdb-server(7) §4.1.14). */
export class MemoryMonitor {
  readonly id: Json;
  readonly store: MemoryStore;
  /** Table → its monitored columns and conditions. */
  readonly #tables = new Map<string, { readonly columns: readonly string[]; readonly matches: RowTest }>();

  constructor(id: Json, store: MemoryStore, requests: Json) {
    this.id = id;
    this.store = store;
    if (!isJsonObject(requests)) throw new OperationFailure("syntax error", "monitor requests are not an object");
    for (const [table, list] of Object.entries(requests)) {
      const schema = store.schemas.get(table);
      if (schema === undefined) throw new OperationFailure("syntax error", `no table named ${table}`);
      const [request] = (Array.isArray(list) ? list : [list]) as readonly JsonObject[];
      const columns = (request?.["columns"] ?? Object.keys(schema.columns)) as readonly string[];
      for (const column of columns) columnOf(schema, column);
      const where = (request?.["where"] ?? []) as readonly Json[];
      const tests = where.map((condition) => compileCondition(schema, condition));
      this.#tables.set(table, { columns, matches: (row) => tests.length === 0 || tests.some((test) => test(row)) });
    }
  }

  /** All rows. */
  initial(): JsonObject {
    const changes: AnyChange[] = [];
    for (const table of this.#tables.keys()) {
      for (const row of this.store.tables.get(table)?.values() ?? [])
        changes.push({ table, uuid: row._uuid, new: row });
    }
    return this.updates(changes, "initial") ?? {};
  }

  /** The changes for this monitor; undefined if none. */
  updates(changes: readonly AnyChange[], coming: "initial" | "insert" = "insert"): JsonObject | undefined {
    const updates: Record<string, Record<string, Json>> = {};
    for (const { table, uuid, old, new: now } of changes) {
      const monitored = this.#tables.get(table);
      if (monitored === undefined) continue;
      const before = old !== undefined && monitored.matches(old) ? old : undefined;
      const after = now !== undefined && monitored.matches(now) ? now : undefined;
      const update = this.#rowUpdate(table, monitored.columns, before, after, coming);
      if (update === undefined) continue;
      updates[table] ??= {};
      updates[table][uuid] = update;
    }
    return Object.keys(updates).length === 0 ? undefined : updates;
  }

  #rowUpdate(
    table: string,
    columns: readonly string[],
    old: AnyRow | undefined,
    row: AnyRow | undefined,
    coming: string,
  ): JsonObject | undefined {
    if (row === undefined) return old === undefined ? undefined : { delete: null };
    const schema = this.store.schemas.get(table);
    if (schema === undefined) return undefined;
    const json: Record<string, Json> = {};
    for (const column of columns) {
      const codec = columnCodec(columnOf(schema, column));
      const before = old === undefined ? codec.initial : old[column];
      if (codec.equal(before, row[column])) continue;
      // Exchanging members and pairs is its own inverse: applied to old and new, it gives the difference.
      const value = old === undefined ? row[column] : applyDelta(codec, before, row[column]);
      json[column] = codec.encode(value, column);
    }
    if (old === undefined) return { [coming]: json };
    return Object.keys(json).length === 0 ? undefined : { modify: json };
  }
}
