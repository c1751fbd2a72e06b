// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { rowUuid } from "../desired/identity.ts";
import type { FactStore } from "../facts/store.ts";
import { everyFact } from "../facts/store.ts";
import { factStore } from "../kinds/store.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { Desired } from "./desired.ts";
import { Engine } from "./engine.ts";
import type { CommitOutcome } from "./outcome.ts";
import {
  EngineDatabase,
  portKind,
  type SaidEffect,
  setPort,
  setSwitch,
  switchesAndPorts,
  switchKind,
  testEngine,
} from "./testing/engine.ts";
import { Touched } from "./touched.ts";
import { Tracker } from "./tracker.ts";
import { type Plan, planChanges } from "./transaction-plan.ts";

/** An engine whose commits go through `commit`, on a database that others may share. */
function rig(options: { facts?: FactStore; database?: EngineDatabase; ports?: number } = {}) {
  const { facts = factStore(), database = new EngineDatabase(), ports = 0 } = options;
  const failures: string[] = [];
  const offered: string[] = [];
  /** The labels of the rows that each commit would insert. */
  const commits: string[][] = [];
  const rules: { commit: (plan: Plan) => Promise<CommitOutcome> } = { commit: (plan) => database.commit(plan) };
  const { engine, timers } = testEngine({
    ...{ facts, memory: database },
    commit: (plan) => {
      commits.push(plan.inserts.map((row) => row.label));
      return rules.commit(plan);
    },
    offerEffects: (_unit, effects) => offered.push(...effects.map((effect) => effect.text)),
    onUnitFailure: (unit, error) => failures.push(`${unit}: ${error.message}`),
    onDeposed: () => failures.push("deposed"),
  });
  if (ports > 0) setSwitch(facts, "s");
  for (let i = 1; i <= ports; i++) setPort(facts, `p${i}`, { switch: "s" });
  return { facts, database, timers, engine, failures, offered, commits, rules };
}

const LOST = new Error("connection lost");
const has = (plan: Plan, label: string): boolean =>
  [...plan.inserts, ...plan.updates.map((update) => update.row)].some((row) => row.label === label);
const portsOf = (database: EngineDatabase): number => database.names().filter((name) => name.startsWith("Port")).length;

t.test("a unit for which no plan can be made is isolated, and all others are committed", async (t) => {
  const { facts, engine, database, failures, timers } = rig({ ports: 9 });
  setSwitch(facts, "odd");
  const { get } = database;
  const uuid = rowUuid("Switch", "odd");
  let odd = true;
  database.get = (table, row) => {
    if (odd && row === uuid && new Error().stack?.includes("planChanges")) throw new TypeError("an odd row");
    return get.call(database, table, row);
  };
  engine.start();
  await engine.whenIdle();
  t.equal(portsOf(database), 9);
  t.match(failures.join(), /^switch:odd: failed to compute the changes \(an odd row\)/);
  odd = false;
  timers.pass(60_000);
  await engine.whenIdle();
  t.ok(database.get("Switch", uuid));
});

t.test("a unit that cannot be encoded is separated at once, and all others are in the next transaction", async (t) => {
  const { engine, database, failures, commits, rules, timers } = rig({ ports: 50 });
  rules.commit = async (plan) => {
    const faults = plan.inserts
      .filter((row) => row.label === "p7" || row.label === "p31")
      .map((row) => ({ row: row.uuid, error: new Error(`Port.mac of ${row.label}`) }));
    if (faults.length > 0) return { kind: "refused", error: new Error("two faults"), faults };
    return database.commit(plan);
  };
  engine.start();
  await engine.whenIdle();
  t.same(failures, ["port:p7: Port.mac of p7", "port:p31: Port.mac of p31"]);
  t.equal(commits.length, 2);
  t.equal(portsOf(database), 48);
  timers.pass(500);
  await engine.whenIdle();
  t.same(commits.slice(2), [["p7", "p31"]], "they are retried after their back-off");
  t.equal(failures.length, 4);
});

t.test("a member that cannot be encoded fails its own unit, not the unit of the row that holds it", async (t) => {
  const { engine, database, failures, rules } = rig({ ports: 3 });
  const [row, value] = [rowUuid("Switch", "s"), rowUuid("Port", "p2")];
  rules.commit = async (plan) => {
    if (plan.mutations.every(({ insert }) => !insert.includes(value))) return database.commit(plan);
    const error = new Error("no such member");
    return { kind: "refused", error, faults: [{ row, member: { column: "ports", value }, error }] };
  };
  engine.start();
  await engine.whenIdle();
  t.same(failures, ["port:p2: no such member"]);
  t.same(database.names(), ["Port p1", "Port p3", "Switch s"]);
});

t.test("one broken connection divides nothing", async (t) => {
  const { engine, database, commits, failures } = rig({ ports: 40 });
  database.outcomes.push({ kind: "unknown", error: LOST, dropped: true });
  engine.start();
  await engine.whenIdle();
  t.same(
    commits.map((labels) => labels.length),
    [41, 41],
  );
  t.equal(portsOf(database), 40);
  t.same(failures, []);
});

t.test(
  "a unit with which the connection breaks is found, reported and separated, and the others are committed",
  async (t) => {
    const { engine, database, facts, commits, failures, rules, timers, offered } = rig({ ports: 150 });
    let drops = 0;
    rules.commit = async (plan) => {
      if (!has(plan, "p77")) return database.commit(plan);
      drops++;
      return { kind: "unknown", error: LOST, dropped: true };
    };
    engine.start();
    await engine.whenIdle();
    t.equal(portsOf(database), 149);
    t.same(failures, ["port:p77: the connection is lost whenever this is written: connection lost"]);
    t.ok(drops <= 11, `${drops} broken connections to find one among 150`);
    t.notOk(offered.includes("p77 is on s"));
    const before = commits.length;
    setPort(facts, "late", { switch: "s" });
    await engine.whenIdle();
    t.same(commits.slice(before), [["late"]], "what comes later does not meet it");
    timers.pass(500);
    await engine.whenIdle();
    t.same(commits.slice(before + 1), [["p77"]], "it is retried alone");
    t.equal(failures.length, 2);
  },
);

t.test(
  "the search continues if leadership is lost with each broken connection, and found units stay separated",
  async (t) => {
    const { engine, database, commits, failures, rules } = rig({ ports: 60 });
    rules.commit = async (plan) => {
      if (!has(plan, "p13")) return database.commit(plan);
      // The lock is lost with the connection, before the outcome is known.
      engine.stop();
      return { kind: "unknown", error: LOST, dropped: true };
    };
    let terms = 0;
    while (portsOf(database) < 59 && terms < 30) {
      terms++;
      engine.start();
      await engine.whenIdle();
      await new Promise((resolve) => setImmediate(resolve));
    }
    t.equal(portsOf(database), 59, `after ${terms} terms`);
    t.match(failures, [/^port:p13: the connection is lost/]);
    engine.stop();
    const before = commits.length;
    engine.start();
    await engine.whenIdle();
    t.equal(commits.length, before, "the next term does not begin with it");
  },
);

t.test("a successor finds it as well", async (t) => {
  const first = rig({ ports: 30 });
  first.engine.start();
  await first.engine.whenIdle();
  first.engine.stop();
  const { database } = first;
  // Another process: it reads the same cluster, without the knowledge of the first one.
  const second = rig({ database, ports: 30 });
  for (let i = 1; i <= 30; i++) setPort(second.facts, `p${i}`, { switch: "s", mac: "new" });
  setSwitch(second.facts, "t");
  second.rules.commit = async (plan) => {
    if (has(plan, "p9")) return { kind: "unknown", error: LOST, dropped: true };
    return database.commit(plan);
  };
  second.engine.start();
  await second.engine.whenIdle();
  t.match(second.failures, [/^port:p9: the connection is lost/]);
  t.equal(database.get("Port", rowUuid("Port", "p8"))?.["mac"], "new");
  t.equal(database.get("Port", rowUuid("Port", "p9"))?.["mac"], "");
  t.ok(database.names().includes("Switch t"));
});

t.test("a transaction that was applied although refused causes no back-off", async (t) => {
  const { engine, database, failures, offered, rules } = rig({ ports: 5 });
  let lies = 1;
  rules.commit = async (plan) => {
    const outcome = await database.commit(plan);
    return lies-- > 0 ? { kind: "refused", error: new Error("duplicate uuid") } : outcome;
  };
  engine.start();
  await engine.whenIdle();
  t.equal(portsOf(database), 5);
  t.same(failures, []);
  t.equal(offered.length, 5, "and its effects are carried out");
});

t.test("a database that changes at each attempt does not hide a bad unit", async (t) => {
  const { engine, database, failures, rules } = rig({ ports: 4 });
  let tries = 0;
  rules.commit = async (plan) => {
    if (!has(plan, "p2")) return database.commit(plan);
    // Another client makes rows of ours, one at a time, so that each plan is another one.
    database.tamper((set) => set("Switch", rowUuid("Switch", "s"), { name: `changed ${tries++}`, external_ids: {} }));
    return { kind: "refused", error: new Error("constraint violation") };
  };
  engine.start();
  await engine.whenIdle();
  t.same(failures, ["port:p2: constraint violation"]);
  t.equal(portsOf(database), 3);
});

t.test("a server that refuses at once does not cause a tight loop", async (t) => {
  const { engine, database, commits, rules, timers } = rig({ ports: 1 });
  rules.commit = async () => ({ kind: "unknown", error: new Error("not allowed") });
  engine.start();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(commits.length, 2);
  rules.commit = (plan) => database.commit(plan);
  timers.pass(500);
  await engine.whenIdle();
  t.equal(portsOf(database), 1);
});

t.test("a row that the database refuses does not come along with the edge of another unit", async (t) => {
  const desired = new Desired();
  const [holder, bad] = [rowUuid("Switch", "s"), rowUuid("Port", "bad")];
  const row = { table: "Port", uuid: bad, label: "bad", columns: {} };
  desired.replace("port:bad", { database: "OVN_Northbound", rows: [row], edges: [], effects: [] });
  desired.replace("switch:s", {
    database: "OVN_Northbound",
    rows: [{ table: "Switch", uuid: holder, label: "s", columns: {} }],
    edges: [{ table: "Switch", row: holder, column: "ports", member: bad, memberUnit: "port:bad" }],
    effects: [],
  });
  const database = new EngineDatabase();
  const touched = new Touched();
  touched.row("Switch", holder);
  touched.edge({ table: "Switch", row: holder, column: "ports", member: bad });
  t.same(
    planChanges(desired, database, touched).inserts.map((one) => one.label),
    ["s", "bad"],
  );
  const apart = planChanges(desired, database, touched, { isApart: (unit) => unit === "port:bad" });
  t.same([apart.inserts.map((one) => one.label), apart.mutations], [["s"], []]);
  await database.commit(apart);
  const later = new Touched();
  later.row("Port", bad);
  t.match(
    planChanges(desired, database, later).mutations,
    [{ row: holder, insert: [bad] }],
    "it brings the edge itself",
  );
});

t.test(
  "a unit that cannot be read or compiled keeps its rows, is reported, and does not stop the others",
  async (t) => {
    for (const part of ["read", "compile"] as const) {
      const facts = factStore();
      const failures: string[] = [];
      let odd = true;
      const kind = {
        ...portKind,
        [part]: (...given: [never, never]) => {
          const { mac } = portKind.read(facts, "p1") ?? {};
          const about = part === "read" ? given[1] : (given[0] as { readonly name: string }).name;
          if (odd && about === "p1" && mac === "no text") throw new TypeError("mac.trim is not a function");
          return portKind[part](...given);
        },
      } as typeof portKind;
      const { database, timers, engine } = testEngine({
        ...{ facts, kinds: [switchKind, kind] },
        onUnitFailure: (unit, error) => failures.push(`${unit}: ${error.message}`),
      });
      const macOf = (name: string): unknown => database.get("Port", rowUuid("Port", name))?.["mac"];
      setSwitch(facts, "s");
      setPort(facts, "p1", { switch: "s", mac: "1" });
      engine.start();
      await engine.whenIdle();
      setPort(facts, "p1", { switch: "s", mac: "no text" });
      setPort(facts, "p2", { switch: "s", mac: "2" });
      await engine.whenIdle();
      t.equal(macOf("p1"), "1", `${part}: as it was`);
      t.equal(macOf("p2"), "2", "the other one is there");
      t.same(failures, ["port:p1: failed to compile (mac.trim is not a function)"]);
      t.equal(engine.stateOf("port:p1"), "cannot be compiled");
      timers.pass(499);
      await engine.whenIdle();
      t.equal(failures.length, 1);
      timers.pass(1);
      await engine.whenIdle();
      t.equal(failures.length, 2, "it is retried after a back-off");
      timers.pass(999);
      await engine.whenIdle();
      t.equal(failures.length, 2, "that grows");
      odd = false;
      timers.pass(1);
      await engine.whenIdle();
      t.equal(macOf("p1"), "no text", "without anything having changed");
      odd = true;
      setPort(facts, "p1", { switch: "s", mac: "1" });
      setPort(facts, "p1", { switch: "s", mac: "3" });
      await engine.whenIdle();
      t.equal(macOf("p1"), "3", "and it goes on when what it reads has changed");
      facts.set("pods", "p1", undefined);
      await engine.whenIdle();
      t.equal(macOf("p1"), undefined);
    }
  },
);

t.test("a successor that cannot compile a unit keeps its rows, and other units can add members to them", async (t) => {
  const facts = factStore();
  const database = new EngineDatabase();
  const timers = new ManualClock();
  let odd = false;
  const oddSwitch: typeof switchKind = {
    ...switchKind,
    read(reader, key) {
      if (odd && key === "s") throw new Error("odd");
      return switchKind.read(reader, key);
    },
  };
  const start = async (): Promise<Engine<SaidEffect>> => {
    const engine = new Engine<SaidEffect>({
      database: "OVN_Northbound",
      tracker: new Tracker<SaidEffect>([oddSwitch, portKind], facts, switchesAndPorts),
      view: database,
      commit: (plan) => database.commit(plan),
      whenReady: () => Promise.resolve(),
      offerEffects: () => undefined,
      timers,
      onUnitFailure: () => undefined,
      onDeposed: () => undefined,
      ownColumns: [{ table: "Switch", column: "ports", members: "Port" }],
    });
    database.onChanges = (changes) => engine.noteDatabase(changes);
    for (const change of everyFact(facts)) engine.noteFact(change);
    facts.subscribe((change) => engine.noteFact(change));
    engine.start();
    await engine.whenIdle();
    return engine;
  };
  setSwitch(facts, "s");
  setPort(facts, "p1", { switch: "s" });
  const first = await start();
  first.stop();
  odd = true;
  const second = await start();
  t.same([...second.uncompiled], ["switch:s"]);
  setPort(facts, "p2", { switch: "s" });
  await second.whenIdle();
  t.same(database.names(), ["Port p1", "Port p2", "Switch s"]);
  let compiled = false;
  void second.whenCompiled().then(() => {
    compiled = true;
  });
  odd = false;
  timers.pass(500);
  await second.whenIdle();
  t.ok(compiled);
});

t.test(
  "a value that another program changes repeatedly is restored after growing pauses; nothing else waits",
  async (t) => {
    const said: string[] = [];
    const { facts, database, timers, engine } = testEngine({
      onContention: (unit, { column, member }, pause) =>
        said.push(`${unit} ${column} ${member !== undefined} ${pause}`),
    });
    setSwitch(facts, "s");
    for (const name of ["p1", "p2"]) setPort(facts, name, { switch: "s", mac: "1" });
    engine.start();
    await engine.whenIdle();
    const uuid = rowUuid("Port", "p1");
    const macOf = (name: string): unknown => database.get("Port", rowUuid("Port", name))?.["mac"];
    const tamper = async (): Promise<void> => {
      database.tamper((set) => set("Port", uuid, { ...database.get("Port", uuid), mac: "theirs" }));
      await engine.whenIdle();
    };
    for (let time = 1; time <= 3; time++) {
      await tamper();
      t.equal(macOf("p1"), "1", `at once, time ${time}`);
    }
    t.same(said, ["port:p1 mac false 1000"]);
    await tamper();
    t.equal(macOf("p1"), "theirs");
    setPort(facts, "p2", { switch: "s", mac: "2" });
    await engine.whenIdle();
    t.equal(macOf("p2"), "2", "others do not wait");
    timers.pass(1000);
    await engine.whenIdle();
    t.equal(macOf("p1"), "1");
    t.same(said.slice(1), ["port:p1 mac false 2000"]);
    await tamper();
    setPort(facts, "p1", { switch: "s", mac: "3" });
    await engine.whenIdle();
    t.equal(macOf("p1"), "3", "what is newly wanted does not wait");
    t.equal(engine.stats.contended, 2);
    timers.pass(400_000);
    await tamper();
    t.equal(macOf("p1"), "3", "after a quiet time it is as if nothing had been");
  },
);

t.test("other clients' keys in a map stay, and our keys that are no longer wanted are deleted", async (t) => {
  const { facts, database, engine } = testEngine({
    othersKeys: (_table, column, keys) =>
      column === "external_ids" ? keys.filter((key) => !["weft-owner", "ours"].includes(key)) : undefined,
  });
  setSwitch(facts, "s");
  engine.start();
  await engine.whenIdle();
  const uuid = rowUuid("Switch", "s");
  const { transactions } = engine.stats;
  const write = async (ids: Record<string, string>): Promise<void> => {
    database.tamper((set) => set("Switch", uuid, { ...database.get("Switch", uuid), external_ids: ids }));
    await engine.whenIdle();
  };
  await write({ "weft-owner": "switch:s", "neutron:name": "x" });
  t.equal(engine.stats.transactions, transactions, "nothing to do");
  await write({ ours: "of an earlier version", "neutron:name": "x" });
  t.same(database.get("Switch", uuid)?.["external_ids"], { "weft-owner": "switch:s", "neutron:name": "x" });
});

t.test("members that another client adds to a set of ours are removed, and those of a shared set stay", async (t) => {
  for (const exclusive of [true, false]) {
    const { facts, database, engine } = testEngine({ exclusive: () => (exclusive ? ["ports"] : []) });
    setSwitch(facts, "s");
    setPort(facts, "p1", { switch: "s" });
    engine.start();
    await engine.whenIdle();
    const uuid = rowUuid("Switch", "s");
    const ports = [rowUuid("Port", "p1"), rowUuid("Port", "foreign")].sort();
    database.tamper((set) => {
      set("Port", rowUuid("Port", "foreign"), { name: "foreign" });
      set("Switch", uuid, { ...database.get("Switch", uuid), ports });
    });
    await engine.whenIdle();
    t.same(database.names(), exclusive ? ["Port p1", "Switch s"] : ["Port foreign", "Port p1", "Switch s"]);
  }
});
