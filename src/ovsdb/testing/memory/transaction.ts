// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { isJsonObject, type Json, type JsonObject } from "../../json.ts";
import type { AnyChange } from "../../mirror-table.ts";
import type { AnyRow } from "../../row-codec.ts";
import type { AnyTableSchema } from "../../schema.ts";
import { columnCodec, type Value } from "../../value.ts";
import { columnOf, compileWhere } from "./condition.ts";
import { checkValue, commitChanges } from "./constraints.ts";
import { decodeStrictly } from "./decode.ts";
import { errorJson, OperationFailure } from "./failure.ts";
import { compileMutation } from "./mutation.ts";
import type { MemoryStore } from "./store.ts";

/**
 * The outcome of a transaction. `waiting`: one of its `wait` operations is not satisfied; to be repeated after the
 * next commit, within the time.
 */
export type Outcome =
  | { readonly kind: "committed"; readonly results: readonly Json[]; readonly changes: readonly AnyChange[] }
  | { readonly kind: "failed"; readonly results: readonly Json[] }
  | { readonly kind: "waiting"; readonly timeoutMs: number | undefined };

/**
 * Executes the operations of a `transact` request (RFC 7047 §4.1.3 and §5.2) and commits them. `waited`: for how
 * long, in ms.
 */
export function executeTransaction(
  store: MemoryStore,
  operations: readonly Json[],
  holdsLock: (name: string) => boolean,
  waited: number,
): Outcome {
  const transaction = new Transaction(store, holdsLock);
  const results: Json[] = [];
  for (const operation of operations) {
    try {
      const result = transaction.execute(isJsonObject(operation) ? operation : {});
      if ("waiting" in result) {
        const { waiting: timeoutMs } = result as { waiting: number | undefined };
        if (timeoutMs === undefined || waited < timeoutMs) return { kind: "waiting", timeoutMs };
        throw new OperationFailure("timed out", '"wait" timed out');
      }
      results.push(result);
    } catch (error) {
      results.push(errorJson(error));
      while (results.length < operations.length) results.push(null);
      return { kind: "failed", results };
    }
  }
  try {
    const changes = commitChanges(store, transaction.staged);
    if (changes.length > 0) store.commit(changes);
    return { kind: "committed", results, changes };
  } catch (error) {
    return { kind: "failed", results: [...results, errorJson(error)] };
  }
}

class Transaction {
  /** Table → uuid → the resulting row, or undefined if it is deleted. */
  readonly staged = new Map<string, Map<string, AnyRow | undefined>>();
  readonly #store: MemoryStore;
  readonly #holdsLock: (name: string) => boolean;

  constructor(store: MemoryStore, holdsLock: (name: string) => boolean) {
    this.#store = store;
    this.#holdsLock = holdsLock;
  }

  execute(operation: JsonObject): JsonObject | { readonly waiting: number | undefined } {
    switch (operation["op"]) {
      case "insert":
        return this.#insert(operation);
      case "select":
        return { rows: this.#selected(operation).map((row) => this.#encode(operation, row)) };
      case "update":
        return this.#update(operation);
      case "mutate":
        return this.#mutate(operation);
      case "delete":
        return this.#change(operation, () => undefined);
      case "wait":
        return this.#wait(operation);
      case "assert":
        if (this.#holdsLock(String(operation["lock"] as string))) return {};
        throw new OperationFailure("not owner", `Asserted lock ${operation["lock"] as string} not held.`);
      case "comment":
        return {};
      case "abort":
        throw new OperationFailure("aborted", "aborted by request");
      default:
        throw new OperationFailure("syntax error", "No operation");
    }
  }

  #insert(operation: JsonObject): JsonObject {
    const [table, schema] = this.#table(operation);
    const { uuid: chosen, row: given } = operation;
    const uuid = typeof chosen === "string" ? chosen : randomUUID();
    // A row that this transaction has deleted cannot be inserted again either.
    if (this.#row(table, uuid) !== undefined || this.staged.get(table)?.has(uuid) === true) {
      throw new OperationFailure(
        "duplicate uuid",
        `This UUID would duplicate a UUID already present within the table: ${uuid}`,
      );
    }
    const row: Record<string, Value> = { _uuid: uuid };
    for (const [column, described] of Object.entries(schema.columns)) row[column] = columnCodec(described).initial;
    this.#stage(table, uuid, { ...row, ...this.#columns(schema, given, false) } as AnyRow);
    return { uuid: ["uuid", uuid] };
  }

  #update(operation: JsonObject): JsonObject {
    // Checked before any row is selected: a bad value is an error even if no row is selected.
    const values = this.#columns(this.#table(operation)[1], operation["row"], true);
    return this.#change(operation, (_, row) => ({ ...row, ...values }));
  }

  #change(operation: JsonObject, change: (schema: AnyTableSchema, row: AnyRow) => AnyRow | undefined): JsonObject {
    const [table, schema] = this.#table(operation);
    const rows = this.#selected(operation);
    for (const row of rows) this.#stage(table, row._uuid, change(schema, row));
    return { count: rows.length };
  }

  #mutate(operation: JsonObject): JsonObject {
    const [, schema] = this.#table(operation);
    const { mutations } = operation;
    if (!Array.isArray(mutations)) throw new OperationFailure("syntax error", "mutations is not an array");
    const steps = (mutations as readonly Json[]).map((mutation) => {
      if (!Array.isArray(mutation) || mutation.length !== 3)
        throw new OperationFailure("syntax error", "Parse error in mutation.");
      const [column, mutator, value] = mutation as unknown as readonly [Json, Json, Json];
      const described = columnOf(schema, column);
      if (described.mutable === false) throw new OperationFailure("constraint violation", "an immutable column");
      return { column: String(column as string), described, change: compileMutation(described, mutator, value) };
    });
    return this.#change(operation, (_, row) => {
      const mutated: Record<string, Value> = { ...row };
      for (const { column, described, change } of steps) {
        mutated[column] = change(mutated[column]);
        checkValue(described, column, mutated[column]);
      }
      return mutated as unknown as AnyRow;
    });
  }

  #wait(operation: JsonObject): JsonObject | { readonly waiting: number | undefined } {
    const [, schema] = this.#table(operation);
    const columns = (operation["columns"] ?? Object.keys(schema.columns)) as readonly string[];
    const asText = (row: JsonObject): string => JSON.stringify(columns.map((column) => row[column]));
    const present = this.#selected(operation).map((row) => asText(this.#encode({ ...operation, columns }, row)));
    const wanted = (operation["rows"] as readonly JsonObject[]).map((json) => {
      const initial: Record<string, Value> = { _uuid: "" };
      for (const column of columns) initial[column] = columnCodec(columnOf(schema, column)).initial;
      const row = { ...initial, ...this.#columns(schema, json, false) } as AnyRow;
      return asText(this.#encode({ ...operation, columns }, row));
    });
    const equal = JSON.stringify([...new Set(present)].sort()) === JSON.stringify([...new Set(wanted)].sort());
    if (equal === (operation["until"] === "==")) return {};
    return { waiting: operation["timeout"] as number | undefined };
  }

  #columns(schema: AnyTableSchema, json: Json | undefined, update: boolean): Record<string, Value> {
    const values: Record<string, Value> = {};
    for (const [column, value] of Object.entries(isJsonObject(json) ? json : {})) {
      const described = columnOf(schema, column);
      if (update && described.mutable === false) {
        throw new OperationFailure("constraint violation", `Cannot update immutable column ${column}.`);
      }
      values[column] = decodeStrictly(described, value);
    }
    return values;
  }

  #encode(operation: JsonObject, row: AnyRow): JsonObject {
    const [table, schema] = this.#table(operation);
    const columns = (operation["columns"] ?? ["_uuid", ...Object.keys(schema.columns)]) as readonly string[];
    return Object.fromEntries(
      columns.map((column) => [
        column,
        columnCodec(columnOf(schema, column)).encode(row[column], `${table}.${column}`),
      ]),
    );
  }

  #selected(operation: JsonObject): readonly AnyRow[] {
    const [table, schema] = this.#table(operation);
    const test = compileWhere(schema, operation["where"]);
    const found: AnyRow[] = [];
    const staged = this.staged.get(table);
    for (const row of this.#store.tables.get(table)?.values() ?? []) {
      if (staged?.has(row._uuid) !== true && test(row)) found.push(row);
    }
    for (const row of staged?.values() ?? []) if (row !== undefined && test(row)) found.push(row);
    return found;
  }

  #row(table: string, uuid: string): AnyRow | undefined {
    const staged = this.staged.get(table);
    return staged?.has(uuid) === true ? staged.get(uuid) : this.#store.tables.get(table)?.get(uuid);
  }

  #stage(table: string, uuid: string, row: AnyRow | undefined): void {
    let staged = this.staged.get(table);
    if (staged === undefined) {
      staged = new Map();
      this.staged.set(table, staged);
    }
    // A row that the transaction itself inserted is deleted without a trace, and its uuid may be used once more.
    if (row === undefined && this.#store.tables.get(table)?.has(uuid) !== true) staged.delete(uuid);
    else staged.set(uuid, row);
  }

  #table(operation: JsonObject): readonly [string, AnyTableSchema] {
    const name = String(operation["table"] as string);
    const schema = this.#store.schemas.get(name);
    if (schema === undefined) throw new OperationFailure("syntax error", `No table named ${name}.`);
    return [name, schema];
  }
}
