// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../desired/fragment.ts";

/** A row to be deleted. */
interface GoingRow {
  readonly table: string;
  readonly uuid: string;
  readonly columns: Readonly<Record<string, ColumnValue>>;
}

/**
 * The rows that a transaction must delete explicitly: roots, and rows that refer to a deleted root. The others are garbage-collected with their last
 * strong reference (RFC 7047 §3.2). ovsdb-server checks references before it collects garbage: a row that is only collected in the same transaction
 * still counts as a reference, and the transaction is refused with a "referential integrity violation".
 */
export function namedDeletes(
  rows: readonly GoingRow[],
  isRoot: (table: string) => boolean,
): readonly { readonly table: string; readonly uuid: string }[] {
  const roots = new Set(rows.flatMap(({ table, uuid }) => (isRoot(table) ? [uuid] : [])));
  const refers = (value: ColumnValue): boolean => typeof value === "string" && roots.has(value);
  return rows
    .filter(({ uuid, columns }) => roots.has(uuid) || Object.values(columns).some(refers))
    .map(({ table, uuid }) => ({ table, uuid }));
}
