// SPDX-License-Identifier: Apache-2.0

import { isOwnKey, isSharedMap } from "../compile/map-keys.ts";
import type { ColumnValue, Fragment } from "../desired/fragment.ts";
import { Desired } from "../reconcile/desired.ts";
import { isMap, membersOf } from "../reconcile/members.ts";
import { withOwner } from "../reconcile/with-owner.ts";
import { type CommittedRow, edgeColumnsOf } from "./committed.ts";
import type { Columns } from "./record.ts";

/** The desired state: unit → its fragment, with the uuids of the cluster. */
export function desiredOf(fragments: ReadonlyMap<string, Fragment>): Desired {
  const desired = new Desired();
  for (const [unit, fragment] of fragments) desired.replace(unit, withOwner(unit, fragment));
  return desired;
}

/** Every desired row as text, one line each, sorted: equal states give equal texts. */
export function desiredText(desired: Desired): string {
  const lines: string[] = [];
  for (const { row } of desired.rows()) {
    const columns: Record<string, ColumnValue> = { ...row.columns };
    for (const column of desired.edgeColumns(row.uuid))
      columns[column] = [...(desired.members(row.uuid, column)?.keys() ?? [])].sort();
    lines.push(rowText(row.table, row.uuid, columns));
  }
  return textOf(lines);
}

/**
 * The same for the rows in the database: of a desired row, the desired columns, without the keys and members that other
 * clients may add; of another row, all columns.
 */
export function committedText(rows: ReadonlyMap<string, CommittedRow>, desired: Desired): string {
  const lines: string[] = [];
  for (const [uuid, { table, columns }] of rows) {
    const wanted = desired.row(uuid)?.row.columns;
    lines.push(rowText(table, uuid, wanted === undefined ? columns : ownPart(table, columns, wanted, rows)));
  }
  return textOf(lines);
}

function ownPart(
  table: string,
  present: Columns,
  wanted: Columns,
  rows: ReadonlyMap<string, CommittedRow>,
): Readonly<Record<string, ColumnValue>> {
  const own: Record<string, ColumnValue> = {};
  for (const [column, value] of Object.entries(wanted)) {
    const there = present[column];
    own[column] =
      isMap(value) && isMap(there) && isSharedMap(table, column)
        ? Object.fromEntries(
            Object.entries(there).filter(([key]) => Object.hasOwn(value, key) || isOwnKey(table, column, key)),
          )
        : there;
  }
  for (const { column, exclusive } of edgeColumnsOf(table)) {
    if (Object.hasOwn(wanted, column)) continue;
    own[column] = membersOf(present[column]).filter((member) => exclusive || rows.has(member));
  }
  return own;
}

function rowText(table: string, uuid: string, columns: Columns): string {
  const parts = Object.keys(columns)
    .sort()
    .flatMap((column) => {
      const value = columns[column];
      const text = valueText(value);
      return text === undefined ? [] : [`${column}=${text}`];
    });
  return [table, uuid, ...parts].join(" ");
}

/** Nothing for what is empty: a set without members is the same as a missing one. */
function valueText(value: ColumnValue): string | undefined {
  if (value === undefined) return undefined;
  if (isMap(value)) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.length === 0 ? undefined : JSON.stringify(Object.fromEntries(entries));
  }
  if (Array.isArray(value) && value.length === 0) return undefined;
  return JSON.stringify(value);
}

function textOf(lines: readonly string[]): string {
  return lines
    .toSorted()
    .map((line) => `${line}\n`)
    .join("");
}
