// SPDX-License-Identifier: Apache-2.0

import { VENDOR, VENDOR_KEY } from "../api/names.ts";
import type { ColumnValue, DesiredRow, Edge } from "../desired/fragment.ts";
import { rowUuid } from "../desired/identity.ts";
import type { OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";
import { checkMapKeys } from "./map-keys.ts";
import { ownerUnit } from "./owner-ids.ts";

type Table = keyof OvnNbTables;

/** A desired row of the northbound database with columns checked against the schema. `ownerId` also identifies it in messages. */
export function row<T extends Table>(table: T, ownerId: string, columns: Partial<OvnNbTables[T]>): DesiredRow {
  checkMapKeys(table, columns);
  return {
    table,
    uuid: rowUuid(table, ownerId),
    label: ownerId,
    columns: columns as Readonly<Record<string, ColumnValue>>,
  };
}

/** `member` is in the set `column` of the row that `holderId` owns; `memberUnit` owns it, if not the unit itself. */
export function edge<T extends Table>(
  table: T,
  holderId: string,
  column: keyof OvnNbTables[T] & string,
  member: string,
  memberUnit?: string,
): Edge {
  const holderUnit = ownerUnit(table, holderId);
  return {
    table,
    row: rowUuid(table, holderId),
    column,
    member,
    ...(holderUnit !== undefined && { holderUnit }),
    ...(memberUnit !== undefined && { memberUnit }),
  };
}

/** `external_ids` with the vendor that Kube-OVN's tools look for. */
export function externalIds(ids: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return { ...ids, [VENDOR_KEY]: VENDOR };
}
