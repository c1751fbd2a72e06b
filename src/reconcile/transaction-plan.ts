// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import type { ColumnValue, DesiredRow, Edge } from "../desired/fragment.ts";
import type { Contended } from "./contention.ts";
import { type Desired, ownersOf, type WantedMember } from "./desired.ts";
import { contains, displacedBy, isMap } from "./members.ts";
import { namedDeletes } from "./named-deletes.ts";
import { ownerOf } from "./owner.ts";
import type { Touched } from "./touched.ts";

/** The database as a plan reads it: its current rows and which tables are roots (RFC 7047 §3.2 `isRoot`). */
export interface DatabaseView {
  get(table: string, uuid: string): Readonly<Record<string, ColumnValue>> | undefined;
  isRoot(table: string): boolean;
}

/** Columns of one row that change, with their old values. */
export interface RowUpdate {
  readonly row: DesiredRow;
  readonly columns: Readonly<Record<string, ColumnValue>>;
  readonly before: Readonly<Record<string, ColumnValue>>;
}

/** Members that enter or leave one set-valued column. */
export interface PlannedMutation {
  readonly table: string;
  readonly row: string;
  readonly column: string;
  readonly insert: string[];
  readonly delete: string[];
}

/** One transaction as a value: it can be printed, counted, executed, or compared with a golden file. */
export interface Plan {
  readonly inserts: readonly DesiredRow[];
  readonly updates: readonly RowUpdate[];
  readonly mutations: readonly PlannedMutation[];
  readonly deletes: readonly { readonly table: string; readonly uuid: string }[];
  /**
   * Rows that cannot be written yet, because the row that would hold them is not in the database: OVSDB would collect them
   * as garbage in the same transaction. They are planned again when the holder appears.
   */
  readonly deferred: ReadonlySet<string>;
  /** Members that are not added to a set, or are removed from it, because the set or the member has an unexpected owner. */
  readonly misdirected: readonly { readonly unit: string; readonly message: string }[];
}

/** What a plan depends on besides the desired state. */
export interface PlanLimits {
  /** Units whose rows are not included with other units because the database refuses them; references to them are added when they exist. */
  readonly isApart?: (unit: string) => boolean;
  /** Units that could not be compiled: their rows in the database are not changed. */
  readonly isKept?: (unit: string) => boolean;
  /** Keys of maps that other programs write as well, which are not changed. Absent: all keys are ours. */
  readonly othersKeys?: OthersKeys;
  /** Values that another program changes repeatedly and that are not to be restored yet. */
  readonly isHeld?: (what: Contended, wanted: ColumnValue) => boolean;
}

/** The keys of a map in the database that are not ours; `undefined` if all are. */
export type OthersKeys = (table: string, column: string, keys: readonly string[]) => readonly string[] | undefined;

/** The number of operations of a plan. */
export function planSize(plan: Plan): number {
  return plan.inserts.length + plan.updates.length + plan.mutations.length + plan.deletes.length;
}

/**
 * Compares the touched rows and edges with the database and returns the transaction that makes the two equal. Pure. A row without a difference costs
 * one lookup.
 */
export function planChanges(desired: Desired, view: DatabaseView, touched: Touched, limits: PlanLimits = {}): Plan {
  const planner = new Planner(desired, view, limits);
  for (const [uuid, table] of touched.rows) planner.row(table, uuid);
  for (const edge of touched.edges.values()) planner.edge(edge);
  return planner.finish();
}

class Planner {
  readonly #desired: Desired;
  readonly #view: DatabaseView;
  readonly #isApart: (unit: string) => boolean;
  readonly #isKept: (unit: string) => boolean;
  readonly #othersKeys: OthersKeys;
  readonly #isContended: (what: Contended, wanted: ColumnValue) => boolean;
  readonly #inserts = new Map<string, DesiredRow>();
  readonly #updates: RowUpdate[] = [];
  /** uuid → table of the deleted root rows. */
  readonly #deletes = new Map<string, string>();
  /** All deleted rows. */
  readonly #going: { table: string; uuid: string; columns: Readonly<Record<string, ColumnValue>> }[] = [];
  readonly #deferred = new Set<string>();
  /** Rows already compared. */
  readonly #seen = new Set<string>();
  /** Edges to compare once it is known which rows are inserted. */
  readonly #edges = new Map<string, Edge>();

  constructor(desired: Desired, view: DatabaseView, limits: PlanLimits) {
    const { isApart = () => false, isKept = () => false, othersKeys = () => undefined, isHeld = () => false } = limits;
    this.#othersKeys = othersKeys;
    this.#isContended = isHeld;
    this.#desired = desired;
    this.#view = view;
    this.#isApart = isApart;
    this.#isKept = isKept;
  }

  row(table: string, uuid: string): void {
    if (this.#seen.has(uuid)) return;
    this.#seen.add(uuid);
    const wanted = this.#desired.row(uuid)?.row;
    const present = this.#view.get(table, uuid);
    if (wanted === undefined) {
      if (present === undefined) return;
      this.#going.push({ table, uuid, columns: present });
      if (this.#view.isRoot(table)) this.#deletes.set(uuid, table);
      return;
    }
    if (present === undefined) this.#insert(wanted);
    else this.#compare(wanted, present);
  }

  edge(edge: Edge): void {
    this.#compareLater(edge);
    // A member that is a missing row must be inserted in the same transaction, or the reference would be invalid.
    const member = this.#desired.row(edge.member);
    if (member === undefined || this.#isApart(member.unit)) return;
    if (this.#view.get(member.row.table, edge.member) === undefined) {
      this.row(member.row.table, edge.member);
    }
  }

  #compareLater(edge: Edge): void {
    this.#edges.set(`${edge.row}\0${edge.column}\0${edge.member}`, edge);
  }

  /**
   * A new row is added to the sets that hold it, and gets those of its members that exist. Missing members are not included: they belong to other
   * units, which may be refused, and are planned when this row exists.
   */
  #insert(wanted: DesiredRow): void {
    this.#inserts.set(wanted.uuid, wanted);
    for (const edge of this.#desired.holdersOf(wanted.uuid)) this.#compareLater(edge);
    for (const column of this.#desired.edgeColumns(wanted.uuid)) {
      for (const member of this.#desired.members(wanted.uuid, column)?.keys() ?? []) {
        this.#compareLater({ table: wanted.table, row: wanted.uuid, column, member });
      }
    }
  }

  #compare(wanted: DesiredRow, present: Readonly<Record<string, ColumnValue>>): void {
    const columns: Record<string, ColumnValue> = {};
    const before: Record<string, ColumnValue> = {};
    for (const [column, own] of Object.entries(wanted.columns)) {
      if (samePlain(present[column], own)) continue;
      const value = this.#withOthersKeys(wanted.table, column, own, present[column]);
      if (value !== own && samePlain(present[column], value)) continue;
      if (this.#isContended({ table: wanted.table, row: wanted.uuid, column }, own)) continue;
      columns[column] = value;
      before[column] = present[column];
    }
    if (Object.keys(columns).length > 0) this.#updates.push({ row: wanted, columns, before });
  }

  /** The desired map: our keys with their desired values, other programs' keys unchanged. */
  #withOthersKeys(table: string, column: string, own: ColumnValue, present: ColumnValue): ColumnValue {
    if (!isMap(own) || !isMap(present)) return own;
    const keys = this.#othersKeys(table, column, Object.keys(present));
    if (keys === undefined || keys.length === 0) return own;
    return { ...Object.fromEntries(keys.flatMap((key) => [[key, present[key] ?? ""] as const])), ...own };
  }

  finish(): Plan {
    this.#park();
    const mutations = new Map<string, PlannedMutation>();
    const misdirected: Plan["misdirected"][number][] = [];
    /** Entries of maps whose key gets another value. */
    const displaced: Edge[] = [];
    const mutation = (edge: Edge): PlannedMutation => {
      const key = `${edge.row}\0${edge.column}`;
      let entry = mutations.get(key);
      if (entry === undefined) {
        entry = { table: edge.table, row: edge.row, column: edge.column, insert: [], delete: [] };
        mutations.set(key, entry);
      }
      return entry;
    };
    for (const edge of this.#edges.values()) {
      const present = this.#view.get(edge.table, edge.row);
      const has = present !== undefined && contains(present[edge.column], edge.member);
      const wanted = this.#desired.members(edge.row, edge.column)?.get(edge.member);
      let wants = false;
      for (const owner of wanted === undefined ? [] : ownersOf(wanted)) {
        const stranger = this.#strangerOf(owner);
        if (stranger === undefined) wants = true;
        else misdirected.push({ unit: owner.unit, message: stranger });
      }
      if (wants !== has && this.#isContended(edge, wants)) continue;
      if (wants && !has && this.#takesMembers(edge) && this.#isMember(edge.member)) {
        mutation(edge).insert.push(edge.member);
        const former = displacedBy(present?.[edge.column], edge.member);
        if (former !== undefined) displaced.push({ ...edge, member: former });
      } else if (!wants && has && !this.#deletes.has(edge.row)) {
        mutation(edge).delete.push(edge.member);
      }
    }
    for (const edge of displaced) {
      const leaving = mutation(edge).delete;
      if (!leaving.includes(edge.member)) leaving.push(edge.member);
    }
    return {
      inserts: [...this.#inserts.values()].filter((row) => !this.#deferred.has(row.uuid)),
      updates: this.#updates,
      mutations: [...mutations.values()],
      deletes: namedDeletes(this.#going, (table) => this.#view.isRoot(table)),
      deferred: this.#deferred,
      misdirected,
    };
  }

  /** The message if an edge leads to a row of an unexpected owner. */
  #strangerOf({ unit, edge }: WantedMember): string | undefined {
    const holder = this.#desired.row(edge.row)?.unit ?? ownerOf(this.#view.get(edge.table, edge.row) ?? {});
    const member = this.#desired.row(edge.member);
    const { holderUnit = holder, memberUnit = unit } = edge;
    if (holder !== undefined && holder !== holderUnit)
      return `${edge.table} ${this.#desired.row(edge.row)?.row.label ?? edge.row} belongs to ${holder}, not to ${holderUnit}; its ${edge.column} are not changed`;
    if (member === undefined || member.unit === memberUnit || member.row.shared) return undefined;
    return `${member.row.table} ${member.row.label} belongs to ${member.unit}, not to ${memberUnit}; it is not added to ${edge.column} of ${edge.table}`;
  }

  /** Defers the inserts that no row in the database would hold, and then those that only deferred rows would hold. */
  #park(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const row of this.#inserts.values()) {
        if (this.#deferred.has(row.uuid) || this.#view.isRoot(row.table) || this.#isHeld(row.uuid)) continue;
        this.#deferred.add(row.uuid);
        changed = true;
      }
    }
  }

  #isHeld(uuid: string): boolean {
    for (const edge of this.#desired.holdersOf(uuid)) {
      if (this.#takesMembers(edge)) return true;
    }
    return false;
  }

  /** Whether the row of an edge exists and stays: an orphaned row gets no members. */
  #takesMembers({ table, row }: Edge): boolean {
    if (!this.#exists(table, row)) return false;
    if (this.#desired.row(row) !== undefined) return true;
    const owner = ownerOf(this.#view.get(table, row) ?? {});
    return owner === undefined || this.#isKept(owner);
  }

  /** Whether a reference to `member` is valid: it is not a row of ours, or the row exists or is inserted by this plan. */
  #isMember(member: string): boolean {
    const row = this.#desired.row(member)?.row;
    return row === undefined || this.#exists(row.table, member);
  }

  #exists(table: string, uuid: string): boolean {
    if (this.#inserts.has(uuid)) return !this.#deferred.has(uuid);
    return this.#view.get(table, uuid) !== undefined && !this.#deletes.has(uuid);
  }
}
