// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { OWN_COLUMNS } from "../../src/controller/databases/northbound.ts";
import { OWNER_KEY } from "../../src/desired/identity.ts";
import { everyFact } from "../../src/facts/store.ts";
import { EDGE_COLUMNS } from "../../src/kinds/edge-columns.ts";
import { rootsOf, UNIT_KINDS } from "../../src/kinds/units.ts";
import { Engine } from "../../src/reconcile/engine.ts";
import { planSweep } from "../../src/reconcile/orphaned-rows.ts";
import { Tracker } from "../../src/reconcile/tracker.ts";
import { planSize } from "../../src/reconcile/transaction-plan.ts";
import { ManualClock } from "../../src/time/testing/manual-clock.ts";
import { attempts, CONNECTIONS, describe, type TriedConnection } from "./compare.ts";
import { FATE, type Fate, MemoryNorthbound } from "./database.ts";
import { OvnView } from "./ovn-view.ts";
import { compileRows, type PlainTables, type Row } from "./rows.ts";
import { ChangingCluster, type WorldStep } from "./steps.ts";

/** How the controller and its database behave during the steps. */
export interface Conditions {
  /** Units per transaction. */
  readonly batch: number;
  /** The result of each transaction, in turn; `committed` after the last. */
  readonly fates: readonly Fate[];
}

/** Small transactions, and connections that break. */
export const conditions: fc.Arbitrary<Conditions> = fc.record({
  batch: fc.constantFrom(1, 2, 200),
  // If existing rows were refused, they could not be changed in one transaction: only new ones are refused.
  fates: fc
    .array(fc.constantFrom<Fate[]>("committed", "committed", "committed", "lost", "unanswered", "refused"), {
      maxLength: 6,
    })
    .map((fates) => fates.map((fate, i) => (fate === "refused" && fates.indexOf(fate) < i ? "committed" : fate))),
});

/** The connections tried after each transaction: fewer than in the comparison with the specifications, because there are many transactions. */
const TRIED = CONNECTIONS.filter(({ protocol, port }) =>
  ["TCP 80", "TCP 81", "UDP 90", "ICMP 0"].includes(`${protocol} ${port}`),
);

/**
 * Takes a cluster through the steps with the real engine, and returns the first fault, if any:
 * - in the end, and whenever the engine is idle, the database is the result of a fresh compile;
 * - no transaction leaves a state in which something is allowed that no state of the facts since the engine was last idle allows;
 * - an ACL that is wanted before and after exists, unchanged, all the time.
 */
export async function firstFault(
  steps: readonly WorldStep[],
  { batch, fates }: Conditions,
): Promise<string | undefined> {
  const cluster = new ChangingCluster();
  const faults: string[] = [];
  const timers = new ManualClock();
  const remaining = [...fates];
  /** Each fresh compile since the engine was last idle, and all connections of those worlds. */
  let wanted: PlainTables[] = [new Map(), compileRows(cluster.facts)];
  let tried = new Map<string, TriedConnection>();
  /** Whether no controller has been killed since then, so that nothing is left for the sweep of the next one. */
  let swept = true;
  /** The database after each transaction since then. */
  let instants: PlainTables[] = [];

  const database: MemoryNorthbound = new MemoryNorthbound({
    onChanges: (changes) => engine.noteDatabase(changes),
    onCommit: () => instants.push(database.tables),
    fate: () => remaining.shift() ?? "committed",
  });
  /** A controller that has just started, with the facts and the database's content. */
  const newEngine = (): Engine<never> => {
    const tracker: Tracker<never> = new Tracker(UNIT_KINDS as never, cluster.facts, rootsOf);
    const made = new Engine<never>({
      database: "OVN_Northbound",
      tracker,
      view: database,
      ownColumns: OWN_COLUMNS,
      commit: (plan) => database.commit(plan),
      whenReady: () => Promise.resolve(),
      offerEffects: () => undefined,
      timers,
      turn: () => Promise.resolve(),
      onUnitFailure: (unit, error) => {
        // A pod that was created again with its name waits for the sweep.
        if (error.message !== FATE && !error.message.startsWith("two rows")) faults.push(`${unit}: ${error.message}`);
      },
      onDeposed: () => faults.push("deposed"),
      batch,
    });
    for (const change of everyFact(cluster.facts)) made.noteFact(change);
    made.start();
    return made;
  };
  /** Waits until the engine is idle. Everything else here is done within one task, so work that remains after it waits for a timer, for example after two lost commits in a row. */
  const idle = async (): Promise<void> => {
    let done = false;
    void engine.whenIdle().then(() => {
      done = true;
    });
    for (;;) {
      await new Promise(setImmediate);
      if (done) return;
      timers.pass(600_000);
    }
  };
  /** Waits until nothing is to be done any more, and orphaned rows of an earlier controller are deleted. */
  const settle = async (): Promise<void> => {
    // A unit whose transaction was rejected is retried after a pause, and so is a sweep.
    for (let i = 0; i < 10; i++) {
      await idle();
      timers.pass(600_000);
      await idle();
      const { plan } = sweep();
      if (planSize(plan) > 0) await database.commit(plan);
    }
  };
  const sweep = () => planSweep(engine.desired, database.rows(), (table) => database.isRoot(table), EDGE_COLUMNS);
  const check = (): void => {
    const now = wanted.at(-1) ?? new Map();
    const differs = firstDifference(now, database.tables);
    if (differs !== undefined) faults.push(`not as a fresh compile: ${differs}`);
    const opened = firstOpening(wanted, instants, tried.values(), swept);
    if (opened !== undefined) faults.push(opened);
    const rewritten = firstRewrite(wanted, instants);
    if (rewritten !== undefined) faults.push(rewritten);
    wanted = [now];
    instants = [];
    swept = true;
    tried = new Map();
    for (const attempt of tryable(cluster)) tried.set(describe(attempt), attempt);
  };
  let engine = newEngine();
  cluster.facts.subscribe((change) => engine.noteFact(change));
  await settle();
  check();
  let killed = false;
  for (const { changes, pause } of steps) {
    for (const change of changes) {
      cluster.apply(change);
      wanted.push(compileRows(cluster.facts));
      for (const attempt of tryable(cluster)) tried.set(describe(attempt), attempt);
    }
    if (killed) engine = newEngine();
    killed = pause === "killed";
    // Transactions in progress when it is killed may be executed or not.
    if (killed) {
      engine.stop();
      swept = false;
    } else if (pause === "done") {
      await settle();
      check();
    } else for (let i = 0; i < Number(pause); i++) await Promise.resolve();
  }
  if (killed) engine = newEngine();
  await settle();
  check();
  engine.stop();
  return faults[0];
}

function* tryable({ world }: ChangingCluster): Iterable<TriedConnection> {
  for (const attempt of attempts(world, TRIED))
    if (attempt.from.node === undefined && attempt.to.node === undefined) yield attempt;
}

/**
 * A state that allows packets that none of the wanted states allows. If a pod is created or deleted in between,
 * each side is evaluated separately: a deleted pod does not get later policies, and a new one may be created before
 * them. The same applies after a controller was killed: the policies that it allowed on one side stay active until
 * the sweep of the next one.
 */
function firstOpening(
  wanted: readonly PlainTables[],
  instants: readonly PlainTables[],
  tried: Iterable<TriedConnection>,
  together: boolean,
): string | undefined {
  const allowing = wanted.map((tables) => new OvnView(tables));
  const pictures = instants.map((tables) => new OvnView(tables));
  for (const attempt of tried) {
    const { from, to, connection } = attempt;
    const traces = allowing.map((picture) => picture.trace(from, to, connection));
    // A deleted pod may still have its port.
    const last = traces.at(-1);
    if (last?.leaves === undefined || last.arrives === undefined) continue;
    const constant = traces.every(({ leaves, arrives }) => leaves !== undefined && arrives !== undefined);
    const mayBe =
      constant && together
        ? traces.some(({ allowed }) => allowed)
        : traces.some(({ leaves }) => leaves === true) && traces.some(({ arrives }) => arrives === true);
    if (mayBe) continue;
    const open = pictures.findIndex((picture) => picture.trace(from, to, connection).allowed);
    if (open < 0) continue;
    const by = pictures[open]?.trace(from, to, connection).by;
    return `${describe(attempt)} is allowed after transaction ${open + 1} of ${pictures.length}, and by no policies that there were (${by})`;
  }
  return undefined;
}

function firstRewrite(wanted: readonly PlainTables[], instants: readonly PlainTables[]): string | undefined {
  const [first, ...others] = wanted;
  for (const [uuid, acl] of first?.get("ACL") ?? []) {
    if (others.some((tables) => !isDeepStrictEqual(tables.get("ACL")?.get(uuid), acl))) continue;
    for (const [i, tables] of instants.entries()) {
      const present = tables.get("ACL")?.get(uuid);
      if (present === undefined) return `the ACL ${String(acl["match"])} is gone after transaction ${i + 1}`;
      if (!isDeepStrictEqual(plain(present), plain(acl)))
        return `the ACL ${String(acl["match"])} is changed by transaction ${i + 1}`;
    }
  }
  return undefined;
}

function firstDifference(wanted: PlainTables, present: PlainTables): string | undefined {
  for (const table of new Set([...wanted.keys(), ...present.keys()])) {
    for (const uuid of new Set([...(wanted.get(table)?.keys() ?? []), ...(present.get(table)?.keys() ?? [])])) {
      const [want, have] = [wanted.get(table)?.get(uuid), present.get(table)?.get(uuid)];
      if (isDeepStrictEqual(want && plain(want), have && plain(have))) continue;
      return `${table} ${uuid}: wanted ${JSON.stringify(want)}, is ${JSON.stringify(have)}`;
    }
  }
  return undefined;
}

/** A row without the mark of its owner, and without empty columns. */
function plain(row: Row): Row {
  const ids = row["external_ids"] as Readonly<Record<string, string>> | undefined;
  const { [OWNER_KEY]: _, ...rest } = ids ?? {};
  const entries = Object.entries({ ...row, external_ids: rest });
  return Object.fromEntries(
    entries.filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)),
  );
}
