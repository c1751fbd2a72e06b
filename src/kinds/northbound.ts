// SPDX-License-Identifier: Apache-2.0

import type { OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";
import type { Selection } from "../ovsdb/selection.ts";
import { NORTHBOUND_KINDS } from "./database.ts";
import { KINDS } from "./index.ts";
import type { NorthboundColumns } from "./kind.ts";

/** Columns of units without a kind of object: the groups that policies share. */
const GROUP_ROWS: NorthboundColumns = {
  Port_Group: ["name", "external_ids"],
  Address_Set: ["name", "addresses", "external_ids"],
};

/** Columns of the rows that monitor gateway nodes. */
const GATEWAY_ROWS: NorthboundColumns = {
  HA_Chassis_Group: ["name", "ha_chassis", "external_ids"],
  HA_Chassis: ["chassis_name", "priority", "external_ids"],
  Logical_Switch: ["name", "ports", "external_ids"],
  Logical_Switch_Port: ["name", "type", "addresses", "ha_chassis_group", "external_ids"],
};

/** What samples of connections go by. */
const SAMPLING_ROWS: NorthboundColumns = {
  Sample: ["metadata", "collectors"],
  Sample_Collector: ["id", "name", "probability", "set_id", "external_ids"],
  Sampling_App: ["type", "id", "external_ids"],
};

/** A table of the northbound database. */
export type NorthboundTable = keyof OvnNbTables;

/** The columns of the northbound database that units write: table → columns, both sorted. */
export function writtenColumns(): ReadonlyMap<NorthboundTable, readonly string[]> {
  return union([...KINDS.map((kind) => kind.rows ?? {}), GROUP_ROWS, GATEWAY_ROWS, SAMPLING_ROWS]);
}

/** The columns of the northbound database that the controller mirrors: those that units write or facts read. */
export function northboundSelection(): Selection<OvnNbTables> {
  const read = NORTHBOUND_KINDS.map(({ table, columns }) => ({ [table]: columns }));
  return Object.fromEntries(union([Object.fromEntries(writtenColumns()), ...read]));
}

function union(
  parts: readonly Readonly<Record<string, readonly string[] | undefined>>[],
): ReadonlyMap<NorthboundTable, readonly string[]> {
  const found = new Map<NorthboundTable, Set<string>>();
  for (const rows of parts) {
    for (const [table, columns] of Object.entries(rows) as [NorthboundTable, readonly string[]][]) {
      found.set(table, new Set([...(found.get(table) ?? []), ...columns]));
    }
  }
  return new Map(
    [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([table, columns]) => [table, [...columns].sort()]),
  );
}
