// SPDX-License-Identifier: Apache-2.0

import type { Edge } from "../desired/fragment.ts";
import type { Desired } from "./desired.ts";
import { ownerOf } from "./owner.ts";
import type { DatabaseView } from "./transaction-plan.ts";

/** A set-valued column whose members have an effect on what is new, so that an orphaned one must not wait for the sweep. */
export interface OwnColumn {
  readonly table: string;
  readonly column: string;
  /** The table of the members. */
  readonly members: string;
  /** Other clients have members there as well, which stay: without it, each member without an edge is orphaned. */
  readonly shared?: true;
}

/** More orphaned members of shared sets than this are left to the sweep, which has a limit of deletions. */
const FEW = 50;

/**
 * The members that an earlier run left in sets of rows that are still wanted, each with the unit in whose changes they leave: that of the member if it wants other rows now, or else
 * that of the set. They cannot wait for the sweep: an ACL of a policy that has changed since would apply to new pods, and a deleted rule would translate an address that another
 * rule of another router has now. To be called only when every unit has compiled once. Those of units that could not be compiled (`isKept`) stay.
 */
export function findOrphanedMembers(
  desired: Desired,
  view: DatabaseView,
  columns: readonly OwnColumn[],
  isKept: (unit: string) => boolean = () => false,
): readonly UnitEdge[] {
  const found = columns.map((own) => [...orphansIn(desired, view, own, isKept)]);
  return found.flatMap((edges, i) => (columns[i]?.shared && edges.length > FEW ? [] : edges));
}

/** An edge, and the unit in whose changes it is compared with the database. */
interface UnitEdge {
  readonly unit: string;
  readonly edge: Edge;
}

function* orphansIn(
  desired: Desired,
  view: DatabaseView,
  { table, column, members, shared }: OwnColumn,
  isKept: (unit: string) => boolean,
): Iterable<UnitEdge> {
  for (const { unit, row } of desired.rows()) {
    if (row.table !== table) continue;
    const present = view.get(table, row.uuid)?.[column];
    if (!Array.isArray(present)) continue;
    const wanted = desired.members(row.uuid, column);
    for (const member of present.map(String)) {
      if (wanted?.has(member)) continue;
      const owner = ownerOf(view.get(members, member) ?? {});
      if (owner === undefined ? shared : isKept(owner)) continue;
      const changed = owner !== undefined && (desired.fragment(owner)?.rows.length ?? 0) > 0;
      yield { unit: changed ? owner : unit, edge: { table, row: row.uuid, column, member } };
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
): Iterable<UnitEdge> {
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
