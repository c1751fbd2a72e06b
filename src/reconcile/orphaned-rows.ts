// SPDX-License-Identifier: Apache-2.0

import type { EdgeColumn } from "../desired/edge-column.ts";
import type { ColumnValue } from "../desired/fragment.ts";
import { splitUnitId } from "../desired/unit-kind.ts";
import type { Desired } from "./desired.ts";
import { membersOf } from "./members.ts";
import { namedDeletes } from "./named-deletes.ts";
import { ownerOf } from "./owner.ts";
import type { Plan, PlannedMutation } from "./transaction-plan.ts";

/** A row that the sweep examines. */
export interface SweptRow {
  readonly table: string;
  readonly uuid: string;
  readonly columns: Readonly<Record<string, ColumnValue>>;
  /** True if the row is known to be ours without `weft-owner`: some tables have no `external_ids`. */
  readonly ours?: boolean;
}

/** What is to be swept, and the figures for the limit of mass deletion. */
export interface Sweep {
  readonly plan: Plan;
  /**
   * The part with rows of units that exist and want other rows, such as pods recreated with the same name. The limit does not apply to them, because
   * rows with their names are refused until they are deleted.
   */
  readonly replaced: Plan;
  readonly orphans: readonly SweptRow[];
  /** The number of rows with an owner. */
  readonly owned: number;
  /** Kind of unit → the number of rows that its units own, and how many of these belong to units that no longer exist. */
  readonly kinds: ReadonlyMap<string, { readonly owned: number; readonly gone: number }>;
}

/**
 * Finds orphaned rows of earlier runs: rows with an owner that no unit wants, and members of our sets without an edge. To be called only when every
 * unit has compiled once, because before that everything looks orphaned.
 *
 * Rows of non-root tables are deleted by removing them from the columns that hold them.
 *
 * `isKept`: units that could not be compiled. Their rows stay, and so do the rows that hold them with all members, which may belong to them as well
 * (the group of a policy).
 */
export function planSweep(
  desired: Desired,
  rows: Iterable<SweptRow>,
  isRoot: (table: string) => boolean,
  edgeColumns: ReadonlyMap<string, readonly EdgeColumn[]>,
  isKept: (unit: string) => boolean = () => false,
): Sweep {
  const owned = new Map<string, SweptRow>();
  const kinds = new Map<string, { owned: number; gone: number }>();
  const holders: SweptRow[] = [];
  for (const row of rows) {
    if (edgeColumns.has(row.table)) holders.push(row);
    const unit = ownerOf(row.columns);
    if (unit === undefined && !row.ours) continue;
    owned.set(row.uuid, row);
    const kind = unit === undefined ? "" : splitUnitId(unit).kind;
    const counts = kinds.get(kind) ?? { owned: 0, gone: 0 };
    counts.owned++;
    // The unit exists and wants other rows: it changed while no controller ran, such as a pod recreated with the same name.
    if (unit === undefined ? desired.row(row.uuid) === undefined : !wantsRows(desired, unit) && !isKept(unit))
      counts.gone++;
    kinds.set(kind, counts);
  }
  const kept = keptRows(owned, holders, edgeColumns, isKept);
  const orphans = [...owned.values()].filter((row) => desired.row(row.uuid) === undefined && !kept.has(row.uuid));
  const replaced = orphans.filter((row) => wantsRows(desired, ownerOf(row.columns) ?? ""));
  const deletes = namedDeletes(orphans, isRoot);
  const gone = new Set(deletes.map((row) => row.uuid));
  const mutations: PlannedMutation[] = [];
  for (const holder of holders) {
    if (gone.has(holder.uuid) || (kept.has(holder.uuid) && desired.row(holder.uuid) === undefined)) continue;
    for (const { column, exclusive } of edgeColumns.get(holder.table) ?? []) {
      // A set that one unit writes completely is compared with the row, not with edges.
      if (desired.row(holder.uuid)?.row.columns[column] !== undefined) continue;
      const members = membersOf(holder.columns[column]);
      const wanted = desired.members(holder.uuid, column);
      const leaving = members.filter((member) => {
        if (wanted?.has(member) || kept.has(member)) return false;
        return owned.has(member) || (exclusive && owned.has(holder.uuid));
      });
      if (leaving.length > 0)
        mutations.push({ table: holder.table, row: holder.uuid, column, insert: [], delete: leaving });
    }
  }
  return {
    plan: { ...NOTHING, mutations, deletes },
    replaced: {
      ...NOTHING,
      mutations: membersAmong(mutations, new Set(replaced.map((row) => row.uuid))),
      deletes: namedDeletes(replaced, isRoot),
    },
    orphans,
    owned: owned.size,
    kinds,
  };
}

/** The rows of units that could not be compiled, and those that hold them, transitively. */
function keptRows(
  owned: ReadonlyMap<string, SweptRow>,
  holders: readonly SweptRow[],
  edgeColumns: ReadonlyMap<string, readonly EdgeColumn[]>,
  isKept: (unit: string) => boolean,
): ReadonlySet<string> {
  const kept = new Set<string>();
  for (const { uuid, columns } of owned.values()) {
    const unit = ownerOf(columns);
    if (unit !== undefined && isKept(unit)) kept.add(uuid);
  }
  for (let before = -1; before !== kept.size && kept.size > 0; ) {
    before = kept.size;
    for (const { table, uuid, columns } of holders) {
      if (kept.has(uuid) || !owned.has(uuid)) continue;
      const holds = ({ column }: EdgeColumn): boolean => {
        const members = columns[column];
        return Array.isArray(members) && members.some((member) => kept.has(String(member)));
      };
      if (edgeColumns.get(table)?.some(holds)) kept.add(uuid);
    }
  }
  return kept;
}

const NOTHING = { inserts: [], updates: [], deferred: new Set<string>(), misdirected: [] } as const;

/** The mutations that remove these rows from their holders. */
function membersAmong(mutations: readonly PlannedMutation[], rows: ReadonlySet<string>): PlannedMutation[] {
  return mutations.flatMap((mutation) => {
    const members = mutation.delete.filter((member) => rows.has(member));
    return members.length === 0 ? [] : [{ ...mutation, delete: members }];
  });
}

function wantsRows(desired: Desired, unit: string): boolean {
  return (desired.fragment(unit)?.rows.length ?? 0) > 0;
}

/** Rows of this many units may always be deleted. */
const FEW = 50;

/**
 * Whether a sweep must not delete without permission: more than 50 rows of one kind of unit, and more than half of them, belong to units that no
 * longer exist. This indicates an empty or wrong cluster, a lost CRD or a bug, and a deletion cannot be undone. Pods that were deleted while no
 * controller ran do not reach this limit.
 */
export function exceedsDeleteLimit({ kinds }: Pick<Sweep, "kinds">): boolean {
  return [...kinds.values()].some(({ owned, gone }) => gone > Math.max(FEW, owned / 2));
}
