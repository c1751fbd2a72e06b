// SPDX-License-Identifier: Apache-2.0

import type { Json } from "../../json.ts";
import type { AnyRow } from "../../row-codec.ts";
import type { AnyTableSchema, ColumnSchema } from "../../schema.ts";
import { type Atom, columnCodec, type Value } from "../../value.ts";
import { decodeStrictly } from "./decode.ts";
import { OperationFailure } from "./failure.ts";

const UUID_COLUMN: ColumnSchema = { key: { type: "uuid" }, min: 1, max: 1 };

/** A test of rows. */
export type RowTest = (row: AnyRow) => boolean;

/** The descriptor of a column, `_uuid` included. Throws Failure `unknown column`. */
export function columnOf(schema: AnyTableSchema, column: unknown): ColumnSchema {
  if (column === "_uuid") return UUID_COLUMN;
  const described =
    typeof column === "string" && Object.hasOwn(schema.columns, column) ? schema.columns[column] : undefined;
  if (described === undefined) throw new OperationFailure("unknown column", String(column));
  return described;
}

/** One RFC 7047 §5.1 `<condition>`, or a boolean (ovsdb-server(7) §5.1). */
export function compileCondition(schema: AnyTableSchema, json: Json): RowTest {
  if (typeof json === "boolean") return () => json;
  if (!Array.isArray(json) || json.length !== 3)
    throw new OperationFailure("syntax error", "a condition has three parts");
  const [column, test, value] = json as unknown as readonly [Json, Json, Json];
  const described = columnOf(schema, column);
  const codec = columnCodec(described);
  const argument = decodeStrictly(argumentOf(described, test), value);
  const name = String(column as string);
  switch (test) {
    case "==":
      return (row) => codec.equal(row[name], argument);
    case "!=":
      return (row) => !codec.equal(row[name], argument);
    case "includes":
      return (row) => entries(argument).every((entry) => entries(row[name]).some((other) => same(entry, other)));
    case "excludes":
      return (row) => !entries(argument).some((entry) => entries(row[name]).some((other) => same(entry, other)));
    case "<":
      return (row) => order(row[name], argument, (a, b) => a < b);
    case "<=":
      return (row) => order(row[name], argument, (a, b) => a <= b);
    case ">":
      return (row) => order(row[name], argument, (a, b) => a > b);
    case ">=":
      return (row) => order(row[name], argument, (a, b) => a >= b);
    default:
      throw new OperationFailure("syntax error", "unknown function");
  }
}

/** The type that the argument of a test must have, see `ovsdb_clause_from_json`. Throws Failure `syntax error` for another test. */
function argumentOf(column: ColumnSchema, test: Json): ColumnSchema {
  const isScalar = column.min === 1 && column.max === 1 && column.value === undefined;
  switch (test) {
    case "==":
    case "!=":
      return column;
    case "<":
    case "<=":
    case ">":
    case ">=":
      if (column.max > 1 || column.value !== undefined || !/^(?:integer|real)$/.test(column.key.type)) {
        throw new OperationFailure("syntax error", `"${test}" operator may not be applied`);
      }
      return { ...column, min: 1 };
    case "includes":
      return isScalar ? column : { ...column, min: 0 };
    case "excludes":
      return isScalar ? column : { ...column, min: 0, max: Number.POSITIVE_INFINITY };
    default:
      throw new OperationFailure("unknown function", `No function named ${String(test as string)}.`);
  }
}

/** The conditions of an operation: all must hold. */
export function compileWhere(schema: AnyTableSchema, json: Json | undefined): RowTest {
  if (!Array.isArray(json)) throw new OperationFailure("syntax error", "where is not an array");
  const tests = (json as readonly Json[]).map((condition) => compileCondition(schema, condition));
  return (row) => tests.every((test) => test(row));
}

/** Any value as a list: members of a set, pairs of a map. */
function entries(value: Value): readonly (Atom | readonly [string, Atom])[] {
  if (value === undefined) return [];
  if (typeof value !== "object") return [value];
  return Array.isArray(value) ? (value as readonly Atom[]) : Object.entries(value as Readonly<Record<string, Atom>>);
}

function same(a: Atom | readonly [string, Atom], b: Atom | readonly [string, Atom]): boolean {
  return Array.isArray(a) && Array.isArray(b) ? a[0] === b[0] && a[1] === b[1] : a === b;
}

function order(a: Value, b: Value, compare: (a: number, b: number) => boolean): boolean {
  return typeof a === "number" && typeof b === "number" && compare(a, b);
}
