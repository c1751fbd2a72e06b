// SPDX-License-Identifier: Apache-2.0

import type { BaseType, ColumnSchema } from "../../src/ovsdb/schema.ts";

/** A column with all defaults of RFC 7047 §3.2 written out. */
export type ParsedColumn = ColumnSchema;

/** One table of a schema file, columns in the file's order. */
export interface ParsedTable {
  readonly name: string;
  readonly columns: readonly (readonly [name: string, column: ParsedColumn])[];
  readonly isRoot: boolean;
  readonly indexes: readonly (readonly string[])[];
  readonly maxRows: number | undefined;
}

/** A schema file. */
export interface ParsedSchema {
  readonly name: string;
  readonly version: string;
  readonly tables: readonly ParsedTable[];
}

/** Reads the JSON of an `.ovsschema` file (RFC 7047 §3.2 `<database-schema>`). Throws an Error that names what it cannot read. */
export function parseSchema(json: unknown): ParsedSchema {
  const { name, version, tables } = object(json, "schema");
  const entries = Object.entries(object(tables, "tables")).map(
    ([table, value]) => [table, object(value, table)] as const,
  );
  // Where no table says `isRoot`, all are roots (a schema from before garbage collection).
  const anyRoot = entries.some(([, table]) => table["isRoot"] === true);
  return {
    name: text(name, "name"),
    version: text(version, "version"),
    tables: entries.map(([table, members]) => ({
      name: table,
      columns: Object.entries(object(members["columns"], `${table}.columns`)).map(
        ([column, value]) => [column, parseColumn(value, `${table}.${column}`)] as const,
      ),
      isRoot: anyRoot ? members["isRoot"] === true : true,
      indexes: (members["indexes"] ?? []) as readonly (readonly string[])[],
      maxRows: members["maxRows"] as number | undefined,
    })),
  };
}

function parseColumn(json: unknown, where: string): ParsedColumn {
  const { type, mutable, ephemeral } = object(json, where);
  const { key, value, min, max } =
    typeof type === "string" ? { key: type } : (object(type, where) as { [name: string]: unknown });
  return {
    key: parseBase(key, where),
    ...(value === undefined ? {} : { value: parseBase(value, where) }),
    min: min === 0 ? 0 : 1,
    max: max === "unlimited" ? Number.POSITIVE_INFINITY : typeof max === "number" ? max : 1,
    ...(mutable === false ? { mutable: false } : {}),
    ...(ephemeral === true ? { ephemeral: true } : {}),
  };
}

function parseBase(json: unknown, where: string): BaseType {
  if (typeof json === "string") return { type: json as BaseType["type"] };
  const { type, enum: values, refTable, refType, ...limits } = object(json, where);
  return {
    type: text(type, where) as BaseType["type"],
    ...(values === undefined ? {} : { enum: parseEnum(values) }),
    ...(refTable === undefined
      ? {}
      : { refTable: text(refTable, where), refType: refType === "weak" ? "weak" : "strong" }),
    ...limits,
  };
}

function parseEnum(json: unknown): readonly (string | number | boolean)[] {
  if (Array.isArray(json) && json[0] === "set") return json[1] as readonly string[];
  return [json as string];
}

function object(json: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new Error(`${where} is not an object`);
  return json as Readonly<Record<string, unknown>>;
}

function text(json: unknown, where: string): string {
  if (typeof json !== "string") throw new Error(`${where} is not a string`);
  return json;
}
