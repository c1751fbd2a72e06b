// SPDX-License-Identifier: Apache-2.0

import type { SweptRow } from "../../reconcile/orphaned-rows.ts";
import { ownerOf } from "../../reconcile/owner.ts";

/** Rows of one table created by Kube-OVN. */
export interface ForeignTable {
  readonly table: string;
  readonly count: number;
  /** Names of the first few, sorted. */
  readonly names: readonly string[];
}

/** The largest number of names for each table. */
const NAMES = 5;

/** Whether Kube-OVN created a row: its rows have the same vendor as ours, but no owner. */
export function isForeign(columns: SweptRow["columns"]): boolean {
  const ids = columns["external_ids"];
  if (typeof ids !== "object" || Array.isArray(ids)) return false;
  return (ids as Readonly<Record<string, string>>)["vendor"] === "kube-ovn" && ownerOf(columns) === undefined;
}

/** The rows of Kube-OVN in a northbound database, by table. */
export function findForeignRows(rows: Iterable<SweptRow>): readonly ForeignTable[] {
  const found = new Map<string, string[]>();
  for (const { table, uuid, columns } of rows) {
    if (!isForeign(columns)) continue;
    const names = found.get(table) ?? [];
    names.push(String(columns["name"] || uuid));
    found.set(table, names);
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([table, names]) => ({ table, count: names.length, names: names.sort().slice(0, NAMES) }));
}

/** The message with the found rows and what to do. */
export function foreignRowsMessage(tables: readonly ForeignTable[]): string {
  const total = tables.reduce((sum, { count }) => sum + count, 0);
  const found = tables.map(({ table, count, names }) => {
    const more = count > names.length ? ` and ${count - names.length} more` : "";
    return `${count} ${table} (${names.join(", ")}${more})`;
  });
  return (
    `the northbound database holds ${total} rows of Kube-OVN (external_ids vendor=kube-ovn, no weft-owner): ${found.join("; ")}. ` +
    "This controller does not lead and writes nothing, because it would create the same network a second time. Weft cannot take over such a " +
    "network: keep Kube-OVN, or remove Kube-OVN and give Weft empty OVN databases (stop Deployment ovn-central and clear " +
    "its data directory, central.dataPath of the chart). The controller continues when the rows are gone"
  );
}
