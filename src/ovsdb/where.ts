// SPDX-License-Identifier: Apache-2.0

import type { Json } from "./json.ts";
import type { AnyTableSchema, ColumnName } from "./schema.ts";
import { encodeColumn, encodeUuid, type Value } from "./value.ts";

/** RFC 7047 §5.1 `<function>`. The four orderings are for numbers only. */
export type ConditionFunction = "==" | "!=" | "includes" | "excludes" | "<" | "<=" | ">=" | ">";

/** RFC 7047 §5.1 `<condition>`: column, function, and a value of the column's type in its TypeScript form. */
export type WhereClause<Row> =
  | {
      [Column in ColumnName<Row>]: readonly [column: Column, function: ConditionFunction, value: Row[Column]];
    }[ColumnName<Row>]
  | readonly [column: "_uuid", function: "==" | "!=" | "includes" | "excludes", uuid: string];

/** The rows of an operation: one by its uuid, or those that match **all** clauses (none given: every row). */
export type Where<Row> = string | readonly WhereClause<Row>[];

/** RFC 7047 §5.1 `<condition>*`, encoded. Throws OvsdbError `invalid value`. */
export function encodeWhere<Row>(schema: AnyTableSchema, table: string, where: Where<Row>): Json {
  if (typeof where === "string") return [["_uuid", "==", encodeUuid(where, table)]];
  return where.map((clause) => encodeClause(schema, table, clause));
}

/** One clause, encoded. Throws OvsdbError `invalid value`. */
export function encodeClause<Row>(schema: AnyTableSchema, table: string, clause: WhereClause<Row>): Json {
  const [column, test, value] = clause as readonly [string, ConditionFunction, Value];
  if (column === "_uuid") return [column, test, encodeUuid(String(value), table)];
  return [column, test, encodeColumn(schema, table, column, value)];
}
