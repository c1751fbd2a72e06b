// SPDX-License-Identifier: Apache-2.0

import type { ColumnValue, Effect, Fragment } from "../../desired/fragment.ts";
import { rowUuid } from "../../desired/identity.ts";
import type { AnyUnitKind, UnitKind } from "../../desired/unit-kind.ts";
import type { FactReader, FactStore } from "../../facts/store.ts";
import { factStore } from "../../kinds/store.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import type { ObservedChange } from "../drift.ts";
import { Engine } from "../engine.ts";
import type { EngineOptions } from "../engine-options.ts";
import type { CommitOutcome } from "../outcome.ts";
import { type RootsOf, Tracker } from "../tracker.ts";
import type { DatabaseView, Plan } from "../transaction-plan.ts";

/** Tables of the small database of the engine's tests: switches are roots, ports live in a switch. */
const ROOTS = new Set(["Switch", "Group"]);

type Row = Readonly<Record<string, ColumnValue>>;

/** A database in memory with OVSDB's rules as far as the engine leans on them: unique names, and garbage collection. */
export class EngineDatabase implements DatabaseView {
  readonly tables = new Map<string, Map<string, Row>>();
  readonly plans: Plan[] = [];
  /** Called with each change, as a monitor would be: before the commit is answered. */
  onChanges: (changes: readonly ObservedChange[]) => void = () => {};
  /** Outcome of the next commits in place of the real one. */
  readonly outcomes: CommitOutcome[] = [];

  isRoot(table: string): boolean {
    return ROOTS.has(table);
  }

  get(table: string, uuid: string): Row | undefined {
    return this.tables.get(table)?.get(uuid);
  }

  /** Every row as `table name`, sorted. */
  names(): string[] {
    return [...this.tables]
      .flatMap(([table, rows]) => [...rows.values()].map((row) => `${table} ${row["name"]}`))
      .sort();
  }

  async commit(plan: Plan): Promise<CommitOutcome> {
    await Promise.resolve();
    const forced = this.outcomes.shift();
    if (forced !== undefined) return forced;
    const before = this.#copy();
    for (const row of plan.inserts) this.#set(row.table, row.uuid, { name: row.label, ...row.columns });
    for (const { row, columns } of plan.updates) {
      this.#set(row.table, row.uuid, { ...this.get(row.table, row.uuid), ...columns });
    }
    for (const { table, row, column, insert, delete: gone } of plan.mutations) {
      const present = this.get(table, row);
      if (present === undefined) continue;
      const members = new Set((present[column] as readonly string[] | undefined) ?? []);
      for (const member of insert) members.add(member);
      for (const member of gone) members.delete(member);
      this.#set(table, row, { ...present, [column]: [...members].sort() });
    }
    for (const { table, uuid } of plan.deletes) this.tables.get(table)?.delete(uuid);
    this.#collect();
    const error = this.#violation();
    if (error !== undefined) {
      this.tables.clear();
      for (const [table, rows] of before) this.tables.set(table, rows);
      return { kind: "refused", error };
    }
    this.plans.push(plan);
    this.#notify(before);
    return { kind: "committed" };
  }

  /** Another client changes the database. */
  tamper(change: (set: (table: string, uuid: string, row: Row | undefined) => void) => void): void {
    const before = this.#copy();
    change((table, uuid, row) => {
      if (row === undefined) this.tables.get(table)?.delete(uuid);
      else this.#set(table, uuid, row);
    });
    this.#collect();
    this.#notify(before);
  }

  #set(table: string, uuid: string, row: Row): void {
    let rows = this.tables.get(table);
    if (rows === undefined) {
      rows = new Map();
      this.tables.set(table, rows);
    }
    rows.set(uuid, row);
  }

  /** Rows of non-root tables that no `ports` column names are gone, and references to rows that are gone with them. */
  #collect(): void {
    const held = new Set<string>();
    for (const row of this.tables.get("Switch")?.values() ?? []) {
      for (const port of (row["ports"] as readonly string[] | undefined) ?? []) held.add(port);
    }
    for (const uuid of [...(this.tables.get("Port")?.keys() ?? [])])
      if (!held.has(uuid)) this.tables.get("Port")?.delete(uuid);
    for (const [uuid, row] of [...(this.tables.get("Group") ?? [])]) {
      const ports = ((row["ports"] as readonly string[] | undefined) ?? []).filter((port) => this.get("Port", port));
      this.#set("Group", uuid, { ...row, ports });
    }
  }

  #violation(): Error | undefined {
    const names = new Set<string>();
    for (const row of this.tables.get("Port")?.values() ?? []) {
      const name = String(row["name"]);
      if (names.has(name)) return new Error(`constraint violation: two ports are called ${name}`);
      names.add(name);
      if (row["bad"] === true) return new Error("constraint violation: a bad port");
    }
    for (const row of this.tables.get("Switch")?.values() ?? []) {
      for (const port of (row["ports"] as readonly string[] | undefined) ?? []) {
        if (this.get("Port", port) === undefined) return new Error("referential integrity violation");
      }
    }
    return undefined;
  }

  #copy(): Map<string, Map<string, Row>> {
    return new Map([...this.tables].map(([table, rows]) => [table, new Map(rows)]));
  }

  #notify(before: Map<string, Map<string, Row>>): void {
    const changes: ObservedChange[] = [];
    for (const table of new Set([...before.keys(), ...this.tables.keys()])) {
      const old = before.get(table) ?? new Map<string, Row>();
      const now = this.tables.get(table) ?? new Map<string, Row>();
      for (const uuid of new Set([...old.keys(), ...now.keys()])) {
        const [was, is] = [old.get(uuid), now.get(uuid)];
        if (JSON.stringify(was) !== JSON.stringify(is)) changes.push({ table, uuid, old: was, new: is });
      }
    }
    if (changes.length > 0) this.onChanges(changes);
  }
}

/** An effect of the test units. */
export interface SaidEffect extends Effect {
  readonly text: string;
}

/** Switches are namespaces, ports are pods that name their switch in the annotation `switch`; groups are nodes. */
export const switchKind: UnitKind<FactReader, { name: string }, SaidEffect> = {
  name: "switch",
  priority: 0,
  read: (reader, key) => (reader.get("namespaces", key) === undefined ? undefined : { name: key }),
  compile: ({ name }): Fragment<SaidEffect> => ({
    database: "OVN_Northbound",
    rows: [{ table: "Switch", uuid: rowUuid("Switch", name), label: name, columns: { name, external_ids: {} } }],
    edges: [],
    effects: [],
  }),
};

/** See {@link switchKind}. */
export const portKind: UnitKind<FactReader, { name: string; on: string; bad: boolean; mac: string }, SaidEffect> = {
  name: "port",
  priority: 1,
  read: (reader, key) => {
    const pod = reader.get("pods", key);
    if (pod === undefined) return undefined;
    const { annotations } = pod;
    return {
      name: key,
      on: annotations["switch"] ?? "",
      bad: annotations["bad"] === "true",
      mac: annotations["mac"] ?? "",
    };
  },
  compile: ({ name, on, bad, mac }): Fragment<SaidEffect> => {
    const uuid = rowUuid("Port", name);
    return {
      database: "OVN_Northbound",
      rows: [{ table: "Port", uuid, label: name, columns: { name, bad, mac, external_ids: {} } }],
      edges: [{ table: "Switch", row: rowUuid("Switch", on), column: "ports", member: uuid }],
      effects: [{ key: `said/${name}`, text: `${name} is on ${on}` }],
    };
  },
};

/** Namespaces make switches, pods make ports. */
export const switchesAndPorts: RootsOf = ({ kind, key }) => {
  if (kind === "namespaces") return [{ kind: "switch", key }];
  return kind === "pods" ? [{ kind: "port", key }] : [];
};

/**
 * An engine on facts and a database in memory, which both notify it; it is not started. Others may share what is given. Nothing is made of effects and of what
 * units come to, unless `options` say so.
 */
export function testEngine({
  facts = factStore(),
  memory = new EngineDatabase(),
  timers = new ManualClock(),
  kinds = [switchKind, portKind],
  ...options
}: Partial<Omit<EngineOptions<SaidEffect>, "tracker" | "view" | "timers" | "database">> & {
  readonly facts?: FactStore;
  readonly memory?: EngineDatabase;
  readonly timers?: ManualClock;
  readonly kinds?: readonly AnyUnitKind<FactReader, SaidEffect>[];
} = {}) {
  const engine = new Engine<SaidEffect>({
    database: "OVN_Northbound",
    tracker: new Tracker<SaidEffect>(kinds, facts, switchesAndPorts),
    view: memory,
    commit: (plan) => memory.commit(plan),
    whenReady: () => Promise.resolve(),
    offerEffects: () => undefined,
    timers,
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    onUnitFailure: () => undefined,
    onDeposed: () => undefined,
    ...options,
  });
  const notify = memory.onChanges;
  memory.onChanges = (changes) => {
    notify(changes);
    engine.noteDatabase(changes);
  };
  facts.subscribe((change) => engine.noteFact(change));
  return { facts, database: memory, timers, engine };
}

/** Makes a switch be wanted. */
export function setSwitch(facts: FactStore, name: string): unknown {
  return facts.set("namespaces", name, { key: name, name, uid: name, labels: {}, annotations: {} });
}

/** Makes a port be wanted, on the switch that the annotation `switch` names. */
export function setPort(facts: FactStore, key: string, annotations: Record<string, string>): unknown {
  const empty = { namespace: "", name: "", uid: "", holder: "", labels: {}, ports: [], profile: "" };
  return facts.set("pods", key, { ...empty, alive: true, key, annotations });
}
