// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../desired/fragment.ts";
import type { Desired } from "./desired.ts";
import { membersOf } from "./members.ts";
import type { Touched } from "./touched.ts";

/** One row of the database before and after a change. */
export interface ObservedChange {
  readonly table: string;
  readonly uuid: string;
  readonly old?: Readonly<Record<string, ColumnValue>> | undefined;
  readonly new?: Readonly<Record<string, ColumnValue>> | undefined;
}

/**
 * Finds the parts of the desired state that a change of the database concerns, which `planChanges` in transaction-plan.ts then compares and restores: the row, the members that a set lost, and, if a row was inserted or
 * deleted, everything that it holds or that holds it. Our own transactions are included; the rows that they touch compare equal. `exclusive`: the
 * sets of a table whose members are all ours in a row of ours; what another client adds is removed.
 */
export function noteDrift(
  desired: Desired,
  change: ObservedChange,
  touch: (unit: string) => Touched,
  exclusive: (table: string) => readonly string[] = () => [],
): void {
  const { table, uuid } = change;
  const owned = desired.row(uuid);
  if (owned !== undefined) {
    touch(owned.unit).row(table, uuid);
    for (const column of change.new === undefined ? [] : exclusive(table)) {
      if (owned.row.columns[column] !== undefined) continue;
      const members = desired.members(uuid, column);
      for (const member of lost(change.new?.[column], change.old?.[column])) {
        if (members?.has(member) !== true) touch(owned.unit).edge({ table, row: uuid, column, member });
      }
    }
  }
  for (const column of desired.edgeColumns(uuid)) {
    const members = desired.members(uuid, column);
    if (members === undefined || change.new === undefined) continue;
    if (change.old === undefined) {
      for (const [member, { unit }] of members) touch(unit).edge({ table, row: uuid, column, member });
      continue;
    }
    for (const member of lost(change.old[column], change.new[column])) {
      const unit = members.get(member)?.unit;
      if (unit !== undefined) touch(unit).edge({ table, row: uuid, column, member });
    }
  }
}

/** The members of `before` that are not in `after`. */
function lost(before: ColumnValue, after: ColumnValue): readonly string[] {
  if (before === after) return [];
  const left = membersOf(before);
  const right = membersOf(after);
  const gone: string[] = [];
  let j = 0;
  for (const value of left) {
    while (j < right.length && (right[j] as string) < value) j++;
    if (right[j] !== value) gone.push(value);
  }
  return gone;
}
