// SPDX-License-Identifier: Apache-2.0

import type { Json, JsonObject } from "../json.ts";
import { type BaseType, type ColumnSchema, type DatabaseSchema, tableSchema } from "../schema.ts";

/** A descriptor as an RFC 7047 §3.2 `<database-schema>`: the content of a schema file, and the answer to `get_schema`. */
export function schemaJson<Tables>(schema: DatabaseSchema<Tables>): JsonObject {
  const tables: Record<string, Json> = {};
  for (const name of Object.keys(schema.tables)) {
    const { columns, isRoot, indexes, maxRows } = tableSchema(schema, name);
    tables[name] = {
      columns: Object.fromEntries(
        Object.entries(columns).map(([column, described]) => [column, columnJson(described)]),
      ),
      isRoot,
      indexes: [...indexes],
      ...(maxRows === undefined ? {} : { maxRows }),
    };
  }
  return { name: schema.name, version: schema.version, tables };
}

function columnJson({ key, value, min, max, mutable, ephemeral }: ColumnSchema): Json {
  return {
    type: {
      key: baseJson(key),
      ...(value === undefined ? {} : { value: baseJson(value) }),
      min,
      max: max === Number.POSITIVE_INFINITY ? "unlimited" : max,
    },
    ...(mutable === undefined ? {} : { mutable }),
    ...(ephemeral === undefined ? {} : { ephemeral }),
  };
}

function baseJson({ enum: values, ...base }: BaseType): Json {
  return values === undefined ? { ...base } : { ...base, enum: ["set", values] };
}
