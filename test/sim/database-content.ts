// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import type { NorthboundServer } from "./database-server.ts";

/** Tables that concern the database as a whole. */
const NOT_OURS: ReadonlySet<string> = new Set(["NB_Global", "Connection", "SSL"]);

/** Table and uuid of each row → its columns → their values as text. */
export type DatabaseContent = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** The rows of the database. Rows with the uuids in `foreign` are left out, and so are references to them. */
export function databaseContent(
  northbound: NorthboundServer,
  foreign: ReadonlySet<string> = new Set(),
): DatabaseContent {
  const isOurs = (value: unknown): boolean => !foreign.has(String(value));
  const tables = Object.keys(OVN_NB.tables).filter((table) => !NOT_OURS.has(table));
  const rows = tables.flatMap((table) =>
    northbound
      .rows(table as "Logical_Switch")
      .filter(({ _uuid }) => isOurs(_uuid))
      .map(({ _uuid, ...columns }) => {
        const texts = Object.entries<unknown>(columns).map(
          ([column, value]) => [column, columnText(Array.isArray(value) ? value.filter(isOurs) : value)] as const,
        );
        return [`${table} ${_uuid}`, new Map(texts)] as const;
      }),
  );
  return new Map(rows);
}

/** A column's value as text. Sets have no order. */
export function columnText(value: unknown): string {
  return JSON.stringify(Array.isArray(value) ? value.map(String).sort() : value);
}

/** The rows that are in only one of two databases, or differ in a column that is not in `except`, which has texts of {@link columnKey}. */
export function rowDifferences(
  before: DatabaseContent,
  after: DatabaseContent,
  except: ReadonlySet<string> = new Set(),
): readonly string[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return keys.flatMap((key) => {
    const [, uuid = ""] = key.split(" ");
    const text = (row: ReadonlyMap<string, string> | undefined): string =>
      row === undefined
        ? "not there"
        : [...row]
            .filter(([column]) => !except.has(columnKey(uuid, column)))
            .map(([column, value]) => `${column} ${value}`)
            .join(", ");
    const [old, now] = [text(before.get(key)), text(after.get(key))];
    return old === now ? [] : [`row ${key} is ${now}, and was ${old}`];
  });
}

/** Names a column of one row. */
export function columnKey(uuid: string, column: string): string {
  return `${uuid} ${column}`;
}
