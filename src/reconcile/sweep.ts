// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue } from "../desired/fragment.ts";
import { splitUnitId } from "../desired/unit-kind.ts";
import type { Desired } from "./desired.ts";
import { membersOf } from "./members.ts";
import { namedDeletes } from "./named-deletes.ts";
import { ownerOf } from "./owner.ts";
import type { Plan, PlannedMutation } from "./plan.ts";

/** A row as the sweep sees it. */
export interface SweptRow {
  readonly table: string;
  readonly uuid: string;
  readonly columns: Readonly<Record<string, ColumnValue>>;
  /** True where something else than `weft-owner` says that the row is ours: some tables have no `external_ids`. */
  readonly ours?: boolean;
}

/** What is to be swept, and what the brake goes by. */
export interface Sweep {
  readonly plan: Plan;
  /**
   * The part of it that is about rows of units which are there and want others, as pods that were recreated under their names. These are not for the brake,
   * and as long as they stand what is wanted under their names is refused.
   */
  readonly replaced: Plan;
  readonly orphans: readonly SweptRow[];
  /** How many rows are owned. */
  readonly owned: number;
  /** Kind of unit → how many rows its units own, and how many of these belong to units that there are no more. */
  readonly kinds: ReadonlyMap<string, { readonly owned: number; readonly gone: number }>;
}

/** A set-valued column that edges feed. */
export interface EdgeColumn {
  readonly column: string;
  /**
   * True where in a row of ours every member is ours (the ports of a port group, the addresses of an address set). False
   * where others may add members of their own (an administrator's port on a switch): then only rows with an owner leave.
   */
  readonly exclusive: boolean;
}

/**
 * Finds what an earlier run left behind: rows that carry an owner but that no unit wants, and members of our sets that no
 * edge names. To be called only when every unit has compiled once, for before that everything looks like an orphan.
 *
 * Rows of non-root tables are deleted by taking them out of the columns that hold them.
 *
 * `isKept`: units that could not be compiled. What the database has of them stays, and so does whatever holds such a row, with all that
 * it holds: it is theirs as well (the group of a policy).
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
    // A unit that is there and wants other rows has changed while nobody looked: a pod that was recreated under its name.
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
      // A set that its own unit writes whole is compared with the row, not with edges.
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

/** The rows of units that could not be compiled, and those that hold them, over as many steps as there are. */
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

/** What of the mutations takes these rows out of what holds them. */
function membersAmong(mutations: readonly PlannedMutation[], rows: ReadonlySet<string>): PlannedMutation[] {
  return mutations.flatMap((mutation) => {
    const members = mutation.delete.filter((member) => rows.has(member));
    return members.length === 0 ? [] : [{ ...mutation, delete: members }];
  });
}

function wantsRows(desired: Desired, unit: string): boolean {
  return (desired.fragment(unit)?.rows.length ?? 0) > 0;
}

/** So many units' rows may go in any case. */
const FEW = 50;

/**
 * Whether a sweep must stop and ask: of the rows of one kind of unit more than 50, and more than half, are of units that there are no
 * more. That is what an empty or wrong cluster, a lost CRD or a bug looks like, and deleting is the one thing that cannot be undone.
 * It is not what the pods look like that went while no controller ran.
 */
export function braked({ kinds }: Pick<Sweep, "kinds">): boolean {
  return [...kinds.values()].some(({ owned, gone }) => gone > Math.max(FEW, owned / 2));
}
