// SPDX-License-Identifier: Apache-2.0

import type { Json, JsonObject } from "./json.ts";
import { type ColumnName, columnKind, type DatabaseSchema, type TableName, tableSchema } from "./schema.ts";
import { columnCodec, encodeColumn, encodeColumns, encodeText, encodeUuid, keyAtom, type Value } from "./value.ts";
import { encodeWhere, type Where } from "./where.ts";

/**
 * One operation of a transaction, RFC 7047 §5.2, encoded and checked against the schema: ready for the wire, and plain data
 * that can be printed or compared.
 */
export type Operation =
  | { readonly op: "insert"; readonly table: string; readonly uuid?: string; readonly row: JsonObject }
  | { readonly op: "update"; readonly table: string; readonly where: Json; readonly row: JsonObject }
  | { readonly op: "mutate"; readonly table: string; readonly where: Json; readonly mutations: Json }
  | { readonly op: "delete"; readonly table: string; readonly where: Json }
  | { readonly op: "select"; readonly table: string; readonly where: Json; readonly columns?: readonly string[] }
  | {
      readonly op: "wait";
      readonly table: string;
      readonly where: Json;
      readonly columns: readonly string[];
      readonly until: "==" | "!=";
      readonly rows: readonly JsonObject[];
      readonly timeout?: number;
    }
  | { readonly op: "assert"; readonly lock: string }
  | { readonly op: "comment"; readonly comment: string }
  | { readonly op: "abort" };

/** The result of a successful operation: `uuid` of an insert, `count` of update, mutate and delete, `rows` of select. */
export interface OperationResult {
  readonly uuid?: string;
  readonly count?: number;
  /** As on the wire; {@link import("./result.ts").selectedRows} decodes them. */
  readonly rows?: readonly JsonObject[];
}

type ColumnMutation<Column, Type> = [Type] extends [number | undefined]
  ? readonly [column: Column, mutator: "+=" | "-=" | "*=" | "/=" | "%=", value: number]
  : [Type] extends [readonly unknown[]]
    ? readonly [column: Column, mutator: "insert" | "delete", members: Type]
    : [Type] extends [Readonly<Record<string, unknown>>]
      ?
          | readonly [column: Column, mutator: "insert", pairs: Type]
          | readonly [column: Column, mutator: "delete", pairs: Type | readonly string[]]
      : never;

/**
 * RFC 7047 §5.1 `<mutation>`. `insert` into a map does not change existing keys; `delete` from a map takes pairs
 * (which are deleted only if the value is the same, too) or keys.
 */
export type Mutation<Row> = { [Column in ColumnName<Row>]: ColumnMutation<Column, Row[Column]> }[ColumnName<Row>];

/**
 * RFC 7047 §5.2.1. Columns that are not given take their default. With `uuid`, the row gets that uuid, and other
 * operations of the transaction may refer to it; the server answers `duplicate uuid` if a row has it already
 * (ovsdb-server(7) §5.2.1). With `undefined` the server chooses one and the result contains it. Throws OvsdbError
 * `invalid value`, as do all builders here.
 */
export function insert<Tables, Table extends TableName<Tables>>(
  schema: DatabaseSchema<Tables>,
  table: Table,
  uuid: string | undefined,
  row: Partial<Tables[Table]>,
): Operation {
  const encoded = encodeColumns(tableSchema(schema, table), table, row);
  if (uuid === undefined) return { op: "insert", table, row: encoded };
  encodeUuid(uuid, table);
  return { op: "insert", table, uuid, row: encoded };
}

/** RFC 7047 §5.2.3: sets the given columns of all rows that `where` selects. */
export function update<Tables, Table extends TableName<Tables>>(
  schema: DatabaseSchema<Tables>,
  table: Table,
  where: Where<Tables[Table]>,
  row: Partial<Tables[Table]>,
): Operation {
  const described = tableSchema(schema, table);
  return {
    op: "update",
    table,
    where: encodeWhere(described, table, where),
    row: encodeColumns(described, table, row),
  };
}

/** RFC 7047 §5.2.4. The result's `count` is the number of selected rows: 0 is not an error. */
export function mutate<Tables, Table extends TableName<Tables>>(
  schema: DatabaseSchema<Tables>,
  table: Table,
  where: Where<Tables[Table]>,
  mutations: readonly Mutation<Tables[Table]>[],
): Operation {
  const described = tableSchema(schema, table);
  const encoded = mutations.map((mutation): Json => {
    const [column, mutator, value] = mutation as unknown as readonly [string, string, Value];
    const columnSchema = described.columns[column];
    if (columnSchema === undefined) throw new TypeError(`${schema.name}.${table} has no column ${column}`);
    if (mutator !== "insert" && mutator !== "delete") {
      const operand = columnCodec({ key: { type: columnSchema.key.type }, min: 1, max: 1 });
      return [column, mutator, operand.encode(value, `${table}.${column}`)];
    }
    if (columnKind(columnSchema) === "map" && Array.isArray(value)) {
      const keys = columnCodec({ key: columnSchema.key, min: 0, max: columnSchema.max });
      const atoms = (value as readonly string[]).map((key) => keyAtom(columnSchema.key.type, key));
      return [column, mutator, keys.encode(atoms, `${table}.${column}`)];
    }
    return [column, mutator, encodeColumn(described, table, column, value)];
  });
  return { op: "mutate", table, where: encodeWhere(described, table, where), mutations: encoded };
}

/** RFC 7047 §5.2.5, the operation "delete" (a reserved word in TypeScript). */
export function remove<Tables, Table extends TableName<Tables>>(
  schema: DatabaseSchema<Tables>,
  table: Table,
  where: Where<Tables[Table]>,
): Operation {
  return { op: "delete", table, where: encodeWhere(tableSchema(schema, table), table, where) };
}

/** RFC 7047 §5.2.2. `columns` "all" includes `_uuid`. */
export function select<Tables, Table extends TableName<Tables>>(
  schema: DatabaseSchema<Tables>,
  table: Table,
  where: Where<Tables[Table]>,
  columns: "all" | readonly ("_uuid" | ColumnName<Tables[Table]>)[] = "all",
): Operation {
  const encoded = encodeWhere(tableSchema(schema, table), table, where);
  return { op: "select", table, where: encoded, columns: columns === "all" ? allColumns(schema, table) : columns };
}

/** Options of {@link wait}. */
export interface WaitFor<Row> {
  readonly where: Where<Row>;
  readonly until: "==" | "!=";
  /** The rows that `where` must (or must not) select, compared by these columns; each must name the same columns. */
  readonly rows: readonly Partial<Row>[];
  /** Compared columns; needed only if `rows` is empty. */
  readonly columns?: readonly ColumnName<Row>[];
  /**
   * How long the server may wait, in milliseconds; 0 tests without waiting. If not satisfied in time: `timed out`.
   * Default: no limit.
   */
  readonly timeoutMs?: number;
}

/**
 * RFC 7047 §5.2.6: the transaction continues only when the rows are as specified. With `timeoutMs: 0` it is a
 * precondition.
 */
export function wait<Tables, Table extends TableName<Tables>>(
  schema: DatabaseSchema<Tables>,
  table: Table,
  condition: WaitFor<Tables[Table]>,
): Operation {
  const described = tableSchema(schema, table);
  const columns = condition.columns ?? Object.keys(condition.rows[0] ?? {});
  return {
    op: "wait",
    table,
    where: encodeWhere(described, table, condition.where),
    columns,
    until: condition.until,
    rows: condition.rows.map((row) => encodeColumns(described, table, row)),
    ...(condition.timeoutMs === undefined ? {} : { timeout: condition.timeoutMs }),
  };
}

/** RFC 7047 §5.2.10: the transaction fails with `not owner` unless this client holds the lock. */
export function assertLock(lock: string): Operation {
  return { op: "assert", lock: encodeText(lock, "lock") };
}

/** RFC 7047 §5.2.9: a text in the server's log of transactions. */
export function comment(text: string): Operation {
  return { op: "comment", comment: encodeText(text, "comment") };
}

/** RFC 7047 §5.2.8: makes the transaction fail with `aborted`; a dry run of the operations before it. */
export function abort(): Operation {
  return { op: "abort" };
}

function allColumns<Tables>(schema: DatabaseSchema<Tables>, table: string): readonly string[] {
  return ["_uuid", ...Object.keys(tableSchema(schema, table).columns)];
}
