// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue, Fragment } from "../desired/fragment.ts";
import { OVN_NB, type OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";
import { Desired } from "../reconcile/desired.ts";
import { formatPlan } from "../reconcile/plan-text.ts";
import { Touched } from "../reconcile/touched.ts";
import { type DatabaseView, type Plan, planChanges } from "../reconcile/transaction-plan.ts";

type Fragments = ReadonlyMap<string, Fragment>;

/** The transaction that changes the northbound database from one desired state to another. Pure. */
export function planRows(before: Fragments, after: Fragments): { readonly plan: Plan; readonly text: string } {
  const [old, desired, touched] = [new Desired(), new Desired(), new Touched()];
  for (const [unit, fragment] of before) touched.merge(old.replace(unit, fragment).touched);
  for (const [unit, fragment] of after) touched.merge(desired.replace(unit, fragment).touched);
  const names = new Map<string, string>();
  for (const each of [old, desired])
    for (const { row } of each.rows()) names.set(row.uuid, `${row.table} ${row.label}`);
  const plan = planChanges(desired, viewOf(old), touched);
  return { plan, text: formatPlan(plan, (uuid) => names.get(uuid)) };
}

/** The desired rows as if all were in the database. */
function viewOf(desired: Desired): DatabaseView {
  return {
    get(table, uuid): Readonly<Record<string, ColumnValue>> | undefined {
      const row = desired.row(uuid)?.row;
      if (row === undefined || row.table !== table) return undefined;
      const columns: Record<string, ColumnValue> = { ...row.columns };
      for (const column of desired.edgeColumns(uuid)) {
        columns[column] = [...(desired.members(uuid, column)?.keys() ?? [])].sort();
      }
      return columns;
    },
    isRoot: (table) => OVN_NB.tables[table as keyof OvnNbTables].isRoot,
  };
}
