// SPDX-License-Identifier: Apache-2.0

import { MultiMap } from "../collections/multi-map.ts";
import { samePlain } from "../collections/plain.ts";
import type { DesiredRow, Edge, Effect, Fragment } from "../desired/fragment.ts";
import { Touched } from "./touched.ts";

/** A desired row and the unit that wants it. */
export interface OwnedRow {
  readonly unit: string;
  readonly row: DesiredRow;
}

/** A member that a unit wants in a set. */
export interface WantedMember {
  readonly unit: string;
  readonly edge: Edge;
  /** Other units with an edge to it: the member stays until all of them are gone. Nearly always there is one owner. */
  readonly others?: ReadonlyMap<string, Edge>;
}

/** All units that want a member in a set, the owner of the member's row first. */
export function* ownersOf({ unit, edge, others }: WantedMember): Iterable<{ unit: string; edge: Edge }> {
  yield { unit, edge };
  for (const [other, theirs] of others ?? []) yield { unit: other, edge: theirs };
}

/** The result of a unit's new fragment. */
export interface Replaced {
  /** What may differ from the database now. */
  readonly touched: Touched;
  /** Rows of the fragment that another unit owns and does not share. */
  readonly conflicts: readonly DesiredRow[];
  /** Units that want a row that this unit has released: they must be placed again. */
  readonly freed: readonly string[];
}

/**
 * The desired state: the union of all fragments, indexed so that a changed fragment or a changed row of the database is processed without a scan.
 *
 * Invariants: a row has one owner, and of several units with the same row only the owner's edges to it count, unless it is shared; a member of a set has all units that
 * want it there as owners; `#holders` is exactly the inverse of `#members`.
 */
export class Desired<E extends Effect = Effect> {
  /** unit → its fragment. */
  readonly #fragments = new Map<string, Fragment<E>>();
  /** row uuid → the row and its owner. */
  readonly #rows = new Map<string, OwnedRow>();
  /** holder row uuid → column → member → units that want it there. */
  readonly #members = new Map<string, Map<string, Map<string, WantedMember>>>();
  /** member → edges that name it. */
  readonly #holders = new MultiMap<string, Edge>();
  /** row uuid → units that want the row although another unit owns it. */
  readonly #contested = new Map<string, Set<string>>();

  fragment(unit: string): Fragment<E> | undefined {
    return this.#fragments.get(unit);
  }

  /** All units that have a fragment. */
  units(): IterableIterator<string> {
    return this.#fragments.keys();
  }

  row(uuid: string): OwnedRow | undefined {
    return this.#rows.get(uuid);
  }

  rows(): IterableIterator<OwnedRow> {
    return this.#rows.values();
  }

  /** The members that `column` of row `holder` must contain, each with the unit that wants it. */
  members(holder: string, column: string): ReadonlyMap<string, WantedMember> | undefined {
    return this.#members.get(holder)?.get(column);
  }

  /** The set-valued columns of row `holder` that edges feed. */
  edgeColumns(holder: string): IterableIterator<string> | readonly string[] {
    return this.#members.get(holder)?.keys() ?? [];
  }

  /** The edges that put `member` into some set. */
  holdersOf(member: string): Iterable<Edge> {
    return this.#holders.get(member);
  }

  /**
   * Replaces the unit's fragment, or removes it. A row that another unit owns stays with that unit, and edges that would add it to a set are left
   * out.
   */
  replace(unit: string, fragment: Fragment<E> | undefined): Replaced {
    const touched = new Touched();
    const conflicts: DesiredRow[] = [];
    const freed = new Set<string>();
    const old = this.#fragments.get(unit);
    const oldRows = new Map<string, DesiredRow>();
    for (const row of old?.rows ?? []) {
      if (this.#rows.get(row.uuid)?.unit === unit) oldRows.set(row.uuid, row);
      else this.#contest(row.uuid, unit, false);
    }

    for (const row of fragment?.rows ?? []) {
      const owner = this.#rows.get(row.uuid)?.unit;
      if (owner !== undefined && owner !== unit) {
        if (!row.shared || !samePlain(this.#rows.get(row.uuid)?.row, row)) conflicts.push(row);
        this.#contest(row.uuid, unit, true);
        continue;
      }
      const before = oldRows.get(row.uuid);
      oldRows.delete(row.uuid);
      if (before !== undefined && samePlain(before, row)) continue;
      this.#rows.set(row.uuid, { unit, row });
      touched.row(row.table, row.uuid);
      // The database may have the row from an earlier run, without these members.
      if (before === undefined) this.#touchMembers(row, touched);
    }
    for (const row of oldRows.values()) {
      this.#rows.delete(row.uuid);
      touched.row(row.table, row.uuid);
      for (const other of this.#contested.get(row.uuid) ?? []) freed.add(other);
    }
    const foreign = new Set(conflicts.map((row) => row.uuid));

    const oldEdges = new Map((old?.edges ?? []).map((edge) => [edgeKey(edge), edge]));
    for (const edge of fragment?.edges ?? []) {
      if (foreign.has(edge.member)) continue;
      const before = oldEdges.get(edgeKey(edge));
      oldEdges.delete(edgeKey(edge));
      const wanted = this.members(edge.row, edge.column)?.get(edge.member);
      const mine = wanted?.unit === unit ? wanted.edge : wanted?.others?.get(unit);
      if (before !== undefined && mine !== undefined && samePlain(mine, edge)) continue;
      this.#addEdge(unit, edge);
      touched.edge(edge);
    }
    for (const edge of oldEdges.values()) if (this.#removeEdge(unit, edge)) touched.edge(edge);

    if (fragment === undefined) this.#fragments.delete(unit);
    else this.#fragments.set(unit, fragment);
    return { touched, conflicts, freed: [...freed] };
  }

  #contest(uuid: string, unit: string, contests: boolean): void {
    const units = this.#contested.get(uuid) ?? new Set();
    if (contests) units.add(unit);
    else units.delete(unit);
    if (units.size === 0) this.#contested.delete(uuid);
    else this.#contested.set(uuid, units);
  }

  #touchMembers({ table, uuid }: DesiredRow, touched: Touched): void {
    for (const [column, members] of this.#members.get(uuid) ?? []) {
      for (const member of members.keys()) touched.edge({ table, row: uuid, column, member });
    }
  }

  #addEdge(unit: string, edge: Edge): void {
    let columns = this.#members.get(edge.row);
    if (columns === undefined) {
      columns = new Map();
      this.#members.set(edge.row, columns);
    }
    let members = columns.get(edge.column);
    if (members === undefined) {
      members = new Map();
      columns.set(edge.column, members);
    }
    const taken = members.get(edge.member);
    members.set(edge.member, this.#owned(edge.member, new Map([...owners(taken), [unit, edge]])));
    if (taken !== undefined) return;
    this.#holders.add(edge.member, edge);
  }

  /** Of several owners, the owner of the member's row comes first, then the latest one. */
  #owned(member: string, all: Map<string, Edge>): WantedMember {
    const own = this.#rows.get(member)?.unit ?? "";
    const unit = all.has(own) ? own : ([...all.keys()].at(-1) ?? "");
    const edge = all.get(unit) as Edge;
    if (all.size === 1) return { unit, edge };
    all.delete(unit);
    return { unit, edge, others: all };
  }

  #removeEdge(unit: string, edge: Edge): boolean {
    const columns = this.#members.get(edge.row);
    const members = columns?.get(edge.column);
    const wanted = members?.get(edge.member);
    if (columns === undefined || members === undefined || wanted === undefined) return false;
    const left = new Map(owners(wanted));
    if (!left.delete(unit)) return false;
    if (left.size > 0) {
      members.set(edge.member, this.#owned(edge.member, left));
      return true;
    }
    members.delete(edge.member);
    if (members.size === 0) columns.delete(edge.column);
    if (columns.size === 0) this.#members.delete(edge.row);
    for (const other of this.#holders.get(edge.member))
      if (edgeKey(other) === edgeKey(edge)) this.#holders.delete(edge.member, other);
    return true;
  }
}

function* owners(wanted: WantedMember | undefined): Iterable<[string, Edge]> {
  if (wanted !== undefined) for (const { unit, edge } of ownersOf(wanted)) yield [unit, edge];
}

/** Identity of an edge as a string. */
function edgeKey(edge: Edge): string {
  return `${edge.row}\0${edge.column}\0${edge.member}`;
}
