// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { type AnyTableSchema, type ColumnName, type DatabaseSchema, type TableName, tableSchema } from "./schema.ts";
import { encodeClause, type WhereClause } from "./where.ts";

/** The selection of one table: all columns, some columns, or some columns of the rows that match a condition. */
export type TableSelection<Row> =
  | "all"
  | readonly ColumnName<Row>[]
  | {
      readonly columns: "all" | readonly ColumnName<Row>[];
      /**
       * Rows that match **any** of these conditions (ovsdb-server(7) §4.1.12 joins the conditions of a monitor by
       * "or", whereas those of an operation are joined by "and"). Conditions may name columns that are not selected.
       */
      readonly whereAny: readonly WhereClause<Row>[];
    };

/** The selection of a database. Tables that are not named are not mirrored. */
export type Selection<Tables> = { readonly [Table in TableName<Tables>]?: TableSelection<Tables[Table]> };

type SelectedRow<Row, Asked> = Asked extends "all"
  ? Row
  : Asked extends readonly (infer Column)[]
    ? Pick<Row, Column & keyof Row>
    : Asked extends { readonly columns: infer Columns }
      ? SelectedRow<Row, Columns>
      : never;

/** The tables of a mirror, each with the selected columns only: reading a column that is not mirrored does not compile. */
export type Selected<Tables, Asked> = {
  readonly [Table in keyof Asked & keyof Tables]: SelectedRow<Tables[Table], Asked[Table]>;
};

/** A monitor's request for one table, without the type of its rows. */
export interface TableRequest {
  readonly schema: AnyTableSchema;
  readonly columns: readonly string[];
  /** Encoded conditions, joined by "or"; absent: every row. */
  readonly where?: readonly Json[];
}

/** The tables of a selection, validated by the schema. Throws TypeErrors for names that do not exist. */
export function tableRequests<Tables>(
  schema: DatabaseSchema<Tables>,
  selection: Selection<Tables>,
): ReadonlyMap<string, TableRequest> {
  const requests = new Map<string, TableRequest>();
  for (const [table, asked] of Object.entries(
    selection as Readonly<Record<string, TableSelection<never> | undefined>>,
  )) {
    if (asked === undefined) continue;
    const described = tableSchema(schema, table);
    const { columns, whereAny } =
      typeof asked === "object" && "columns" in asked ? asked : { columns: asked, whereAny: undefined };
    const names: readonly string[] = columns === "all" ? Object.keys(described.columns) : [...new Set(columns)];
    for (const column of names) {
      if (!Object.hasOwn(described.columns, column))
        throw new TypeError(`${schema.name}.${table} has no column ${column}`);
    }
    const where = whereAny?.map((condition) => encodeClause(described, table, condition));
    requests.set(table, { schema: described, columns: names, ...(where === undefined ? {} : { where }) });
  }
  return requests;
}

/** The tables and columns that a server has, from its own schema. */
export type ServerSchema = ReadonlyMap<string, ReadonlySet<string>>;

/** Parses the tables and columns of an RFC 7047 `<database-schema>` in JSON text. Throws OvsdbError `protocol`. */
export function parseServerSchema(text: string): ServerSchema {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new OvsdbError("protocol", "the server's schema is not JSON", { cause });
  }
  const tables = isJsonObject(json) ? json["tables"] : undefined;
  if (!isJsonObject(tables)) throw new OvsdbError("protocol", "the server's schema has no tables");
  return new Map(
    Object.entries(tables).map(([name, table]) => {
      const columns = isJsonObject(table) && isJsonObject(table["columns"]) ? Object.keys(table["columns"]) : [];
      return [name, new Set(columns)];
    }),
  );
}

/**
 * The `<monitor-cond-requests>` for the requested tables and columns that the server has. `lacks` is called for the
 * others: a client must work with a server of an older version.
 */
export function monitorRequests(
  requests: ReadonlyMap<string, TableRequest>,
  server: ServerSchema | undefined,
  lacks: (table: string, column?: string) => void,
): JsonObject {
  const json: Record<string, Json> = {};
  for (const [table, { columns, where }] of requests) {
    const present = server === undefined ? new Set(columns) : server.get(table);
    if (present === undefined) {
      lacks(table);
      continue;
    }
    for (const column of columns) if (!present.has(column)) lacks(table, column);
    // An empty condition would select every row; "any of none" selects no row.
    const condition = where === undefined ? {} : { where: where.length === 0 ? [false] : where };
    json[table] = [{ columns: columns.filter((column) => present.has(column)), ...condition }];
  }
  return json;
}
