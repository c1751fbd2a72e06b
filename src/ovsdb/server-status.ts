// SPDX-License-Identifier: Apache-2.0

import type { AnyRow } from "./row-codec.ts";
import type { ColumnSchema, DatabaseSchema } from "./schema.ts";

/** A row of `Database` in the database `_Server` that every ovsdb-server since 2.9 has, ovsdb-server(5). */
export interface ServerDatabaseRow {
  readonly name: string;
  readonly model: "standalone" | "clustered" | "relay";
  readonly connected: boolean;
  readonly leader: boolean;
  readonly schema: string | undefined;
  readonly cid: string | undefined;
  readonly sid: string | undefined;
  readonly index: number | undefined;
}

const STRING: ColumnSchema = { key: { type: "string" }, min: 1, max: 1 };
const BOOLEAN: ColumnSchema = { key: { type: "boolean" }, min: 1, max: 1 };
const OPTIONAL_STRING: ColumnSchema = { key: { type: "string" }, min: 0, max: 1 };
const OPTIONAL_UUID: ColumnSchema = { key: { type: "uuid" }, min: 0, max: 1 };
const OPTIONAL_INTEGER: ColumnSchema = { key: { type: "integer" }, min: 0, max: 1 };

/** The schema of `_Server`, version 1.2.0. */
export const SERVER: DatabaseSchema<{ readonly Database: ServerDatabaseRow }> = {
  name: "_Server",
  version: "1.2.0",
  tables: {
    Database: {
      isRoot: true,
      indexes: [],
      columns: {
        name: STRING,
        model: STRING,
        connected: BOOLEAN,
        leader: BOOLEAN,
        schema: OPTIONAL_STRING,
        cid: OPTIONAL_UUID,
        sid: OPTIONAL_UUID,
        index: OPTIONAL_INTEGER,
      },
    },
  },
};

/**
 * The newest state of a cluster that this client has seen: a server that is behind it would revert the client's
 * state.
 */
export interface SeenIndex {
  readonly cluster: string;
  readonly index: number;
}

/** Whether a server can be used, and if not, why. */
export type ServerSuitability =
  | { readonly suitable: true; readonly row: ServerDatabaseRow; readonly seen: SeenIndex | undefined }
  | { readonly suitable: false; readonly reason: string };

/**
 * Checks a server by the row of the database in its `_Server`. Called again with each change of it, so that a server
 * is left at once when it no longer leads. Pure.
 */
export function checkServer(
  rows: Iterable<AnyRow>,
  database: string,
  leaderOnly: boolean,
  seen: SeenIndex | undefined,
): ServerSuitability {
  let row: ServerDatabaseRow | undefined;
  for (const candidate of rows) if (candidate["name"] === database) row = candidate as unknown as ServerDatabaseRow;
  const no = (reason: string): ServerSuitability => ({ suitable: false, reason });
  if (row === undefined) return no(`has no database ${database}`);
  if (row.schema === undefined) {
    return no(row.model === "clustered" ? "has not joined its cluster yet" : "has no schema yet");
  }
  if (!row.connected) return no(row.model === "relay" ? "has lost its source" : "is cut off from its cluster");
  if (row.model === "relay" && leaderOnly) return no("is a relay and never leads");
  if (row.model !== "clustered") return { suitable: true, row, seen };
  if (leaderOnly && !row.leader) return no("does not lead its cluster");
  const { cid: cluster, index } = row;
  if (cluster === undefined || index === undefined) return { suitable: true, row, seen };
  // A recreated cluster counts from the start, under another id.
  if (seen?.cluster === cluster && index < seen.index)
    return no(`is behind: it is at log entry ${index}, and ${seen.index} was seen`);
  return { suitable: true, row, seen: { cluster, index } };
}
