// SPDX-License-Identifier: Apache-2.0

import type { Edge } from "../desired/fragment.ts";
import type { Desired } from "./desired.ts";
import { ownerOf } from "./owner.ts";
import type { DatabaseView } from "./transaction-plan.ts";

/** A set-valued column with members of ours only, so that a member without an edge is orphaned. */
export interface OwnColumn {
  readonly table: string;
  readonly column: string;
  /** The table of the members. */
  readonly members: string;
}

/**
 * The members that an earlier run left in sets of rows that are still wanted, each with the unit of that row. They cannot wait for the sweep: an ACL
 * of a policy that has changed since would apply to new pods. To be called only
 * when every unit has compiled once. Those of units that could not be compiled (`isKept`) stay.
 */
export function* findOrphanedMembers(
  desired: Desired,
  view: DatabaseView,
  columns: readonly OwnColumn[],
  isKept: (unit: string) => boolean = () => false,
): Iterable<{ readonly unit: string; readonly edge: Edge }> {
  for (const { unit, row } of desired.rows()) {
    for (const { table, column, members } of columns) {
      if (row.table !== table) continue;
      const present = view.get(table, row.uuid)?.[column];
      if (!Array.isArray(present)) continue;
      const wanted = desired.members(row.uuid, column);
      for (const member of present.map(String)) {
        if (wanted?.has(member)) continue;
        const owner = ownerOf(view.get(members, member) ?? {});
        if (owner === undefined || !isKept(owner)) yield { unit, edge: { table, row: row.uuid, column, member } };
      }
    }
  }
}

/**
 * The members that an earlier run left in sets of rows that are still wanted, although their rows are wanted in another set, each with the unit of the member: the translation
 * of a rule that has moved to another VPC while no controller ran. They leave with the changes of that unit, or two routers would have the row until the sweep. To be called
 * only when every unit has compiled once.
 */
export function* findMovedMembers(
  desired: Desired,
  view: DatabaseView,
  columns: ReadonlyMap<string, readonly { readonly column: string }[]>,
): Iterable<{ readonly unit: string; readonly edge: Edge }> {
  for (const { row } of desired.rows()) {
    const { table, uuid } = row;
    for (const { column } of columns.get(table) ?? []) {
      const present = view.get(table, uuid)?.[column];
      // A set that one unit writes completely is compared with the row.
      if (!Array.isArray(present) || row.columns[column] !== undefined) continue;
      const wanted = desired.members(uuid, column);
      for (const member of present.map(String)) {
        const unit = wanted?.has(member) ? undefined : desired.row(member)?.unit;
        if (unit !== undefined) yield { unit, edge: { table, row: uuid, column, member } };
      }
    }
  }
}
