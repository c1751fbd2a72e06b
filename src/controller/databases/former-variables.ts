// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { type Operation, remove } from "../../ovsdb/operation.ts";
import type { Plan } from "../../reconcile/transaction-plan.ts";

/** A mirrored row of `Chassis_Template_Var`, and whether it is ours. */
interface VariablesRow {
  readonly uuid: string;
  readonly ours: boolean;
}

/**
 * Operations before those of a plan: they delete our rows of `Chassis_Template_Var` with a chassis that the plan gives to another row. OVN has an index on the chassis, so the
 * plan would be refused until the sweep has deleted the row of a node that lost the chassis while no controller ran. Rows of other clients stay.
 */
export function formerVariables(
  { inserts, updates }: Plan,
  withChassis: (chassis: string) => readonly VariablesRow[],
): readonly Operation[] {
  const given = [
    ...inserts,
    ...updates.map(({ row, columns }) => ({ table: row.table, uuid: row.uuid, columns })),
  ].filter(({ table, columns }) => table === "Chassis_Template_Var" && columns["chassis"] !== undefined);
  const moving = new Set(given.map(({ uuid }) => uuid));
  return given.flatMap(({ columns }) =>
    withChassis(String(columns["chassis"]))
      .filter(({ uuid, ours }) => ours && !moving.has(uuid))
      .map(({ uuid }) => remove(OVN_NB, "Chassis_Template_Var", uuid)),
  );
}
