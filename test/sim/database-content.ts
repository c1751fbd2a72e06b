// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import type { NorthboundServer } from "./database-server.ts";

/** Tables that concern the database as a whole. */
const NOT_OURS: ReadonlySet<string> = new Set(["NB_Global", "Connection", "SSL"]);

/** The rows of the database: table and uuid → columns, sorted. Rows with the uuids in `foreign` are left out, and so are references to them. */
export function databaseContent(
  northbound: NorthboundServer,
  foreign: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, string> {
  /** Sets have no order. */
  const inOrder = (_key: string, value: unknown): unknown =>
    Array.isArray(value)
      ? value.filter((one) => !foreign.has(one)).toSorted((a, b) => (String(a) < String(b) ? -1 : 1))
      : value;
  const tables = Object.keys(OVN_NB.tables).filter((table) => !NOT_OURS.has(table));
  const rows = tables.flatMap((table) =>
    northbound
      .rows(table as "Logical_Switch")
      .filter(({ _uuid }) => !foreign.has(_uuid))
      .map(({ _uuid, ...columns }) => [`${table} ${_uuid}`, JSON.stringify(columns, inOrder)] as const),
  );
  return new Map(rows);
}

/** Entries that are in only one of two maps, or differ. */
export function rowDifferences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return keys.flatMap((key) => {
    const [old, now] = [before.get(key), after.get(key)];
    return old === now ? [] : [`row ${key} is ${now ?? "not there"}, and was ${old ?? "not there"}`];
  });
}
