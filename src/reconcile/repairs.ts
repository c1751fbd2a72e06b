// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../desired/fragment.ts";
import type { Contended } from "./contention.ts";
import type { Desired } from "./desired.ts";
import type { Plan } from "./transaction-plan.ts";

/** One value that a plan restores; without `what` a row that is recreated. */
export interface Repair {
  readonly unit: string;
  readonly what?: Contended;
  /** The value, or for a member whether it is to be present. */
  readonly wanted?: ColumnValue;
}

/** The part of a plan that restores what another client changed. `isDrifted`: units that are included only because the database has changed. */
export function* repairsIn(plan: Plan, desired: Desired, isDrifted: (unit: string) => boolean): Iterable<Repair> {
  const drifted = (unit: string | undefined): unit is string => unit !== undefined && isDrifted(unit);
  for (const row of plan.inserts) {
    const unit = desired.row(row.uuid)?.unit;
    if (drifted(unit)) yield { unit };
  }
  for (const { row, columns } of plan.updates) {
    const unit = desired.row(row.uuid)?.unit;
    if (!drifted(unit)) continue;
    for (const column of Object.keys(columns)) {
      yield { unit, what: { table: row.table, row: row.uuid, column }, wanted: row.columns[column] };
    }
  }
  for (const { table, row, column, insert, delete: gone } of plan.mutations) {
    for (const member of insert) {
      const unit = desired.members(row, column)?.get(member)?.unit;
      if (drifted(unit)) yield { unit, what: { table, row, column, member }, wanted: true };
    }
    const unit = desired.row(row)?.unit;
    for (const member of gone) if (drifted(unit)) yield { unit, what: { table, row, column, member }, wanted: false };
  }
}
