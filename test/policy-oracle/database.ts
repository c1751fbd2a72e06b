// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from "node:util";
import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import type { ColumnSchema } from "../../src/ovsdb/schema.ts";
import type { ObservedChange } from "../../src/reconcile/drift.ts";
import type { SweptRow } from "../../src/reconcile/orphaned-rows.ts";
import type { CommitOutcome } from "../../src/reconcile/outcome.ts";
import type { DatabaseView, Plan } from "../../src/reconcile/transaction-plan.ts";
import type { PlainTables, Row } from "./rows.ts";

/**
 * The result of a transaction: `lost` and `unanswered` end without an answer, the latter after it was executed;
 * `refused` for a reason that the sender cannot see.
 */
export type Fate = "committed" | "lost" | "unanswered" | "refused";

/** The error of a refused transaction. */
export const FATE = "it was to be refused";

/**
 * A northbound database in memory, with the rules of OVSDB that plans depend on: references must be valid, indexes are unique, and rows
 * that nothing refers to are deleted (RFC 7047 §3.2).
 */
export class MemoryNorthbound implements DatabaseView {
  #tables: Map<string, Map<string, Row>> = new Map();
  readonly #onChanges: (changes: readonly ObservedChange[]) => void;
  readonly #onCommit: (plan: Plan) => void;
  readonly #fate: () => Fate;

  /** `onCommit` is called after each executed transaction, `onChanges` like a monitor, before the answer. */
  constructor(options: {
    readonly onChanges: (changes: readonly ObservedChange[]) => void;
    readonly onCommit: (plan: Plan) => void;
    readonly fate?: () => Fate;
  }) {
    this.#onChanges = options.onChanges;
    this.#onCommit = options.onCommit;
    this.#fate = options.fate ?? (() => "committed");
  }

  get tables(): PlainTables {
    return this.#tables;
  }

  isRoot(table: string): boolean {
    return rulesOf(table).isRoot;
  }

  get(table: string, uuid: string): Row | undefined {
    return this.#tables.get(table)?.get(uuid);
  }

  /** All rows, as a sweep reads them. */
  *rows(): Iterable<SweptRow> {
    for (const [table, rows] of this.#tables) for (const [uuid, columns] of rows) yield { table, uuid, columns };
  }

  async commit(plan: Plan): Promise<CommitOutcome> {
    await Promise.resolve();
    const fate = this.#fate();
    const error = new Error("the connection broke");
    if (fate === "lost") return { kind: "unknown", error };
    if (fate === "refused") return { kind: "refused", error: new Error(FATE) };
    const before = this.#tables;
    this.#tables = new Map([...before].map(([table, rows]) => [table, new Map(rows)]));
    try {
      this.#apply(plan);
      this.#collect();
      this.#check();
    } catch (cause) {
      this.#tables = before;
      return { kind: "refused", error: cause instanceof Error ? cause : new Error(String(cause)) };
    }
    this.#onCommit(plan);
    this.#tell(before);
    return fate === "unanswered" ? { kind: "unknown", error } : { kind: "committed" };
  }

  #apply({ inserts, updates, mutations, deletes }: Plan): void {
    for (const { table, uuid, columns } of inserts) {
      if (this.get(table, uuid) !== undefined) throw new Error(`duplicate uuid in ${table}`);
      this.#table(table).set(uuid, columns);
    }
    for (const { row, columns } of updates) {
      const present = this.get(row.table, row.uuid);
      if (present !== undefined) this.#table(row.table).set(row.uuid, { ...present, ...columns });
    }
    for (const { table, row, column, insert, delete: gone } of mutations) {
      const present = this.get(table, row);
      if (present === undefined) continue;
      const members = new Set(asList(present[column]));
      for (const member of gone) members.delete(member);
      for (const member of insert) members.add(member);
      this.#table(table).set(row, { ...present, [column]: [...members].sort() });
    }
    for (const { table, uuid } of deletes) this.#tables.get(table)?.delete(uuid);
  }

  /** Deletes rows without a strong reference, then drops dangling weak references. */
  #collect(): void {
    for (let again = true; again; ) {
      again = false;
      const held = new Set<string>();
      this.#eachReference((_table, _uuid, _column, reference, members) => {
        if (reference.refType === "strong") for (const member of members) held.add(member);
      });
      for (const [table, rows] of this.#tables) {
        if (this.isRoot(table)) continue;
        for (const uuid of rows.keys()) if (!held.has(uuid)) again = rows.delete(uuid) || again;
      }
    }
    this.#eachReference((table, uuid, column, { refTable = "", refType }, members) => {
      if (refType !== "weak") return;
      const left = members.filter((member) => this.get(refTable, member) !== undefined);
      if (left.length === members.length) return;
      const present = this.get(table, uuid);
      const isSet = Array.isArray(present?.[column]);
      this.#table(table).set(uuid, { ...present, [column]: isSet ? left : left[0] });
    });
  }

  #check(): void {
    this.#eachReference((table, _uuid, column, { refTable = "" }, members) => {
      for (const member of members) {
        if (this.get(refTable, member) === undefined)
          throw new Error(`${table}.${column} refers to a row that is not there`);
      }
    });
    for (const [table, rows] of this.#tables) {
      for (const index of rulesOf(table).indexes) {
        const seen = new Set<string>();
        for (const row of rows.values()) {
          const key = JSON.stringify(index.map((column) => row[column]));
          if (seen.has(key)) throw new Error(`two rows of ${table} have ${index.join(", ")} ${key}`);
          seen.add(key);
        }
      }
    }
  }

  #eachReference(
    visit: (table: string, uuid: string, column: string, reference: ColumnSchema["key"], members: string[]) => void,
  ): void {
    for (const [table, rows] of this.#tables) {
      for (const [column, reference] of rulesOf(table).references) {
        for (const [uuid, row] of rows) {
          const members = asList(row[column]);
          if (members.length > 0) visit(table, uuid, column, reference, members);
        }
      }
    }
  }

  #table(table: string): Map<string, Row> {
    const known = this.#tables.get(table) ?? new Map<string, Row>();
    this.#tables.set(table, known);
    return known;
  }

  #tell(before: PlainTables): void {
    const changes: ObservedChange[] = [];
    for (const table of new Set([...before.keys(), ...this.#tables.keys()])) {
      const old = before.get(table);
      const now = this.#tables.get(table);
      for (const uuid of new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])) {
        const [was, is] = [old?.get(uuid), now?.get(uuid)];
        if (was !== is && !isDeepStrictEqual(was, is)) changes.push({ table, uuid, old: was, new: is });
      }
    }
    if (changes.length > 0) this.#onChanges(changes);
  }
}

function asList(value: Row[string]): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

/** What is needed of the schema of a table. */
interface TableRules {
  readonly isRoot: boolean;
  readonly indexes: readonly (readonly string[])[];
  /** The columns that refer to rows. */
  readonly references: readonly (readonly [column: string, reference: ColumnSchema["key"]])[];
}

const RULES: ReadonlyMap<string, TableRules> = new Map(
  Object.entries(OVN_NB.tables).map(([name, { isRoot, indexes, columns }]) => {
    const all: readonly (readonly [string, ColumnSchema])[] = Object.entries(columns);
    const references = all.filter(([, { key, value }]) => key.refTable !== undefined && value === undefined);
    return [name, { isRoot, indexes, references: references.map(([column, { key }]) => [column, key]) }];
  }),
);

function rulesOf(table: string): TableRules {
  const rules = RULES.get(table);
  if (rules === undefined) throw new Error(`the northbound database has no table ${table}`);
  return rules;
}
