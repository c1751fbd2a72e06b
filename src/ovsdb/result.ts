// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { OperationResult } from "./operation.ts";
import { type DatabaseSchema, type TableName, tableSchema } from "./schema.ts";
import { columnCodec, type Value } from "./value.ts";

/**
 * The results in the reply to `transact` (RFC 7047 §4.1.3); throws the error among them. An error of an operation is
 * in its place with `null`s after it; an error of the commit is after all operations. `clustered`: see {@link
 * OvsdbError}.
 */
export function transactResults(
  reply: Json,
  operations: number,
  { clustered = false }: { readonly clustered?: boolean } = {},
): readonly OperationResult[] {
  if (!Array.isArray(reply)) throw new OvsdbError("protocol", "transact was not answered with an array");
  const results: OperationResult[] = [];
  for (const [index, result] of (reply as readonly Json[]).entries()) {
    if (result === null) throw new OvsdbError("protocol", "transact was answered with null before any error");
    if (!isJsonObject(result))
      throw new OvsdbError("protocol", "transact was answered with something else than objects");
    if (result["error"] !== undefined && result["error"] !== null) {
      throw OvsdbError.fromServer(result, { clustered, ...(index < operations && { operation: index }) });
    }
    results.push(operationResult(result));
  }
  if (results.length !== operations) {
    throw new OvsdbError(
      "protocol",
      `transact was answered with ${results.length} results for ${operations} operations`,
    );
  }
  return results;
}

function operationResult(json: JsonObject): OperationResult {
  const { count, rows, uuid } = json;
  return {
    ...(Array.isArray(uuid) && typeof uuid[1] === "string" ? { uuid: uuid[1] } : {}),
    ...(typeof count === "number" ? { count } : {}),
    ...(Array.isArray(rows) ? { rows: rows.filter(isJsonObject) } : {}),
  };
}

/** The rows of a `select`, decoded. Columns that were not selected are absent. */
export function selectedRows<Tables, Table extends TableName<Tables>>(
  schema: DatabaseSchema<Tables>,
  table: Table,
  result: OperationResult | undefined,
): readonly (Partial<Tables[Table]> & { readonly _uuid?: string })[] {
  const { columns } = tableSchema(schema, table);
  return (result?.rows ?? []).map((json) => {
    const row: Record<string, Value> = {};
    for (const [column, value] of Object.entries(json)) {
      const described = columns[column];
      if (column === "_uuid" && Array.isArray(value)) row["_uuid"] = String(value[1]);
      else if (described !== undefined) row[column] = columnCodec(described).decode(value);
    }
    return row as Partial<Tables[Table]> & { readonly _uuid?: string };
  });
}
