// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { OWNER_KEY, rowUuid } from "../desired/identity.ts";
import { factStore } from "../kinds/store.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { Engine } from "./engine.ts";
import type { OwnColumn } from "./orphaned-members.ts";
import {
  EngineDatabase,
  portKind,
  type SaidEffect,
  setPort,
  setSwitch,
  switchesAndPorts,
  switchKind,
} from "./testing/engine.ts";
import { Tracker } from "./tracker.ts";

/** Ports that have a second row if their annotation says so. */
const withExtraRow: typeof portKind = {
  ...portKind,
  read: (reader, key) => {
    const input = portKind.read(reader, key);
    return input && { ...input, mac: reader.get("pods", key)?.annotations["extra"] ?? "" };
  },
  compile: (input) => {
    const own = portKind.compile(input);
    if (input.mac === "") return own;
    const extra = portKind.compile({ ...input, name: `${input.name}/extra` });
    return { ...own, rows: [...own.rows, ...extra.rows], edges: [...own.edges, ...extra.edges] };
  },
};

/** An engine with atomic switches, on an empty database. */
function wholeEngine(t: Test, batch: number, ownColumns: readonly OwnColumn[] = [], ports = portKind) {
  const facts = factStore();
  const database = new EngineDatabase();
  const kinds = [{ ...switchKind, atomic: true as const }, ports];
  const tracker = new Tracker<SaidEffect>(kinds, facts, switchesAndPorts);
  const refused: string[] = [];
  const hooks = { beforeCommit: (): void => {} };
  const engine: Engine<SaidEffect> = new Engine<SaidEffect>({
    database: "OVN_Northbound",
    tracker,
    view: database,
    commit: (plan) => {
      hooks.beforeCommit();
      return database.commit(plan);
    },
    whenReady: () => Promise.resolve(),
    offerEffects: () => {},
    timers: new ManualClock(),
    onUnitFailure: (unit) => refused.push(unit),
    onDeposed: () => t.fail("no leader is deposed"),
    batch,
    ownColumns,
  });
  database.onChanges = (changes) => engine.noteDatabase(changes);
  facts.subscribe((change) => engine.noteFact(change));
  return {
    ...{ facts, database, engine, refused, hooks },
    addSwitch: (name: string): unknown => setSwitch(facts, name),
    setPort: (name: string, annotations: Record<string, string>): unknown => setPort(facts, name, annotations),
    /** Names of the rows that each committed transaction inserted, from this number on. */
    inserted: (from: number): string[][] =>
      database.plans.slice(from).map((plan) => plan.inserts.map(({ label }) => label)),
  };
}

t.test("an atomic batch with unknown outcome is committed before new units", async (t) => {
  const { facts, database, engine, hooks, addSwitch, setPort, inserted } = wholeEngine(t, 3);
  addSwitch("one");
  engine.start();
  await engine.whenIdle();
  database.outcomes.push({ kind: "unknown", error: new Error("the connection broke") });
  const before = database.plans.length;
  // While the transaction with the second switch is under way, more ports come than one transaction takes.
  hooks.beforeCommit = () => {
    if (facts.size("pods") === 0) for (let i = 0; i < 5; i++) setPort(`p${i}`, { switch: "one" });
  };
  addSwitch("two");
  await engine.whenIdle();
  const [first, ...others] = inserted(before);
  t.ok(first?.includes("two"), JSON.stringify([first, ...others]));
  t.equal([first, ...others].flat().length, 6, "and everything comes");
});

t.test("changes that belong together stay in one transaction when a new row is refused", async (t) => {
  const { database, engine, refused, addSwitch, setPort, inserted } = wholeEngine(t, 200);
  addSwitch("one");
  for (let i = 0; i < 4; i++) setPort(`p${i}`, { switch: "one" });
  engine.start();
  await engine.whenIdle();
  const before = database.plans.length;
  setPort("bad", { switch: "one", bad: "true" });
  addSwitch("two");
  for (let i = 0; i < 4; i++) setPort(`p${i}`, { switch: "two" });
  await engine.whenIdle();
  t.strictSame(refused, ["port:bad"]);
  const moved = database.plans[before]?.mutations.flatMap(({ insert }) => insert);
  t.strictSame(inserted(before), [["two"]]);
  t.equal(moved?.length, 4, "all ports move in the transaction that brings their switch");
});

t.test("no later part of a refused batch is committed before one with unknown outcome", async (t) => {
  const { database, engine, addSwitch, setPort, inserted } = wholeEngine(t, 200);
  addSwitch("one");
  engine.start();
  await engine.whenIdle();
  const before = database.plans.length;
  database.outcomes.push({ kind: "refused", error: new Error("constraint violation") });
  database.outcomes.push({ kind: "unknown", error: new Error("the connection broke") });
  addSwitch("two");
  for (let i = 0; i < 4; i++) setPort(`p${i}`, { switch: "one" });
  await engine.whenIdle();
  t.ok(inserted(before)[0]?.includes("two"), JSON.stringify(inserted(before)));
});

t.test("orphaned members of a set are removed before new rows are added to it", async (t) => {
  const { database, engine, addSwitch, setPort } = wholeEngine(t, 1, [
    { table: "Switch", column: "ports", members: "Port" },
  ]);
  const one = rowUuid("Switch", "one");
  database.tamper((set) => {
    set("Switch", one, { name: "one", ports: ["left"], external_ids: {} });
    set("Port", "left", { name: "left", bad: false, mac: "", external_ids: {} });
  });
  addSwitch("one");
  for (let i = 0; i < 3; i++) setPort(`p${i}`, { switch: "one" });
  engine.start();
  await engine.whenIdle();
  t.strictSame(database.plans[0]?.mutations.find(({ row }) => row === one)?.delete, ["left"]);
  t.equal(database.plans.flatMap(({ mutations }) => mutations.flatMap((mutation) => mutation.delete)).length, 1);
});

t.test("an orphaned row gets no members", async (t) => {
  const { database, engine, addSwitch, setPort } = wholeEngine(t, 200);
  const two = rowUuid("Switch", "two");
  const left = { name: "two", ports: [], external_ids: { [OWNER_KEY]: "switch:two" } };
  database.tamper((set) => set("Switch", two, left));
  addSwitch("one");
  setPort("p0", { switch: "two" });
  engine.start();
  await engine.whenIdle();
  t.strictSame(database.get("Switch", two), left);
  addSwitch("two");
  await engine.whenIdle();
  t.strictSame(database.get("Switch", two)?.["ports"], [rowUuid("Port", "p0")], "until it is wanted again");
});

t.test(
  "units that change together with an atomic unit are in one transaction; only new ones may be committed later",
  async (t) => {
    const { database, engine, refused, addSwitch, setPort } = wholeEngine(t, 3);
    const port = (i: number, on: string): unknown => setPort(`p${i}`, { switch: on });
    addSwitch("one");
    for (let i = 0; i < 10; i++) port(i, "one");
    engine.start();
    await engine.whenIdle();
    t.ok(database.plans.length >= 4, "ten new ports, three at a time");
    const before = database.plans.length;
    addSwitch("two");
    // Also if more new rows were reported before.
    for (let i = 10; i < 15; i++) port(i, "two");
    for (let i = 0; i < 10; i++) port(i, "two");
    await engine.whenIdle();
    const first = database.plans[before];
    const moved = first?.mutations.flatMap((mutation) => mutation.insert) ?? [];
    for (let i = 0; i < 10; i++) t.ok(moved.includes(rowUuid("Port", `p${i}`)), `p${i} moves with the first`);
    t.equal(first?.inserts.filter((row) => row.table === "Port").length, 3);
    t.strictSame(refused, [], "nothing is refused");
  },
);

t.test("an existing port is not deferred because another row of its unit is new", async (t) => {
  const { database, engine, addSwitch, setPort } = wholeEngine(t, 3, [], withExtraRow);
  for (const name of ["one", "two"]) addSwitch(name);
  for (let i = 0; i < 10; i++) setPort(`p${i}`, { switch: "one" });
  engine.start();
  await engine.whenIdle();
  const before = database.plans.length;
  addSwitch("three");
  for (let i = 0; i < 10; i++) setPort(`p${i}`, { switch: "two", extra: "true" });
  await engine.whenIdle();
  const moved = database.plans[before]?.mutations.flatMap((mutation) => mutation.insert) ?? [];
  for (let i = 0; i < 10; i++) t.ok(moved.includes(rowUuid("Port", `p${i}`)), `p${i} moves with the first`);
  t.equal(database.get("Port", rowUuid("Port", "p9/extra"))?.["name"], "p9/extra");
});
