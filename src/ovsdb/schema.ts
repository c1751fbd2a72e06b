// SPDX-License-Identifier: Apache-2.0

/**
 * Schema descriptors (RFC 7047 §3.2). The generated files contain one for each database; code that encodes, decodes
 * or checks a value takes its column's descriptor.
 */

/** The atomic types of RFC 7047 §3.1. */
export type AtomType = "boolean" | "integer" | "real" | "string" | "uuid";

/** RFC 7047 `<base-type>`: an atomic type with its constraints. */
export interface BaseType {
  readonly type: AtomType;
  /** The only values allowed. */
  readonly enum?: readonly (string | number | boolean)[];
  readonly minInteger?: number;
  readonly maxInteger?: number;
  readonly minReal?: number;
  readonly maxReal?: number;
  /** In characters. */
  readonly minLength?: number;
  readonly maxLength?: number;
  /** The table that a uuid refers to. */
  readonly refTable?: string;
  /** Present if `refTable` is. A strong reference keeps its row alive; a weak one is removed with its row. */
  readonly refType?: "strong" | "weak";
}

/**
 * RFC 7047 `<column-schema>` with all defaults written out. Its value in TypeScript is
 * - a record, if `value` is present (a map);
 * - the atom, if `min` and `max` are 1;
 * - the atom or `undefined`, if `min` is 0 and `max` is 1;
 * - else a sorted array (a set).
 */
export interface ColumnSchema {
  readonly key: BaseType;
  readonly value?: BaseType;
  readonly min: 0 | 1;
  /** `Infinity` for "unlimited". */
  readonly max: number;
  /** Absent: true. */
  readonly mutable?: false;
  /** Not kept over a restart of a standalone server. */
  readonly ephemeral?: true;
}

/** RFC 7047 `<table-schema>`; `Row` has a property for each column. */
export interface TableSchema<Row> {
  readonly columns: { readonly [Column in keyof Row]-?: ColumnSchema };
  /** Rows of a non-root table are garbage-collected when their last strong reference is removed (RFC 7047 §3.2). */
  readonly isRoot: boolean;
  /** Sets of columns whose values together are unique in the table. */
  readonly indexes: readonly (readonly string[])[];
  readonly maxRows?: number;
}

/** RFC 7047 `<database-schema>`; `Tables` maps the OVSDB name of each table to the type of its rows. */
export interface DatabaseSchema<Tables> {
  readonly name: string;
  /** Version of the schema file that the descriptor was generated from. */
  readonly version: string;
  readonly tables: { readonly [Table in keyof Tables]-?: TableSchema<Tables[Table]> };
}

/** Names of the tables of a database. */
export type TableName<Tables> = keyof Tables & string;

/** Names of the columns of a row. */
export type ColumnName<Row> = keyof Row & string;

/** The form of a column's value, see {@link ColumnSchema}. */
export type ColumnKind = "scalar" | "optional" | "set" | "map";

/** The form of values of `column` in TypeScript. */
export function columnKind(column: ColumnSchema): ColumnKind {
  if (column.value !== undefined) return "map";
  if (column.max > 1) return "set";
  return column.min === 1 ? "scalar" : "optional";
}

/** A table descriptor without its row type, for code that works on any table. */
export interface AnyTableSchema {
  readonly columns: Readonly<Record<string, ColumnSchema>>;
  readonly isRoot: boolean;
  readonly indexes: readonly (readonly string[])[];
  readonly maxRows?: number;
}

/** The descriptor of `table`, without its row type. Throws a TypeError if the schema has no such table. */
export function tableSchema<Tables>(schema: DatabaseSchema<Tables>, table: string): AnyTableSchema {
  const tables = schema.tables as Readonly<Record<string, AnyTableSchema>>;
  const found = Object.hasOwn(tables, table) ? tables[table] : undefined;
  if (found === undefined) throw new TypeError(`${schema.name} has no table ${table}`);
  return found;
}

/** Whether the values of a column, one or a set of them, are uuids of rows. False for unknown columns. */
export function isReference<Tables>(schema: DatabaseSchema<Tables>, table: string, column: string): boolean {
  const tables = schema.tables as Readonly<Record<string, AnyTableSchema>>;
  return Object.hasOwn(tables, table) && tables[table]?.columns[column]?.key.refTable !== undefined;
}
