// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { Fragment } from "../desired/fragment.ts";
import { OWNER_KEY, rowUuid } from "../desired/identity.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { FactReader } from "../facts/store.ts";
import { type SaidEffect, setPort, setSwitch, switchKind, testEngine } from "./testing/engine.ts";
import { Touched } from "./touched.ts";
import { planChanges } from "./transaction-plan.ts";

/** The input of a unit of these tests: a row by its id, in a switch that should belong to a unit; or only a member. */
interface Wish {
  readonly key: string;
  readonly row: string;
  readonly on: string;
  readonly of: string | undefined;
  readonly member: string | undefined;
  readonly memberOf: string | undefined;
  readonly shared: boolean;
}

/** Ports that may mean the same row, or another's switch. */
const portKind: UnitKind<FactReader, Wish, SaidEffect> = {
  name: "port",
  priority: 1,
  read: (reader, key) => {
    const { annotations } = reader.get("pods", key) ?? {};
    if (annotations === undefined) return undefined;
    const { row = key, on = "", of, member, memberOf, shared } = annotations;
    return { key, row, on, of, member, memberOf, shared: shared !== undefined };
  },
  compile: ({ key, row, on, of, member, memberOf, shared }): Fragment<SaidEffect> => {
    const uuid = rowUuid("Port", member ?? row);
    const columns = shared ? { name: row } : { name: row, of: key, external_ids: {} };
    return {
      database: "OVN_Northbound",
      rows: member === undefined ? [{ table: "Port", uuid, label: row, columns, ...(shared && { shared }) }] : [],
      edges: [
        {
          table: "Switch",
          row: rowUuid("Switch", on),
          column: "ports",
          member: uuid,
          ...(of && { holderUnit: of }),
          ...(memberOf && { memberUnit: memberOf }),
        },
      ],
      effects: [{ key: `said/${key}`, text: `${key} is served` }],
    };
  },
};

function rig() {
  const offered: string[] = [];
  const failures: string[] = [];
  const { facts, database, timers, engine } = testEngine({
    kinds: [switchKind, portKind],
    offerEffects: (_unit, effects, renew) =>
      offered.push(...effects.map(({ text }) => (renew ? `${text} (anew)` : text))),
    onUnitFailure: (unit, { message }) => failures.push(`${unit}: ${message}`),
  });
  const members = (name: string): readonly unknown[] =>
    ((database.get("Switch", rowUuid("Switch", name))?.["ports"] ?? []) as readonly string[])
      .map((uuid) => String(database.get("Port", uuid)?.["of"]))
      .sort();
  return { facts, database, engine, offered, failures, members, timers };
}

t.test("a row that two units want belongs to one of them, and is not added to the set of the other", async (t) => {
  const { facts, engine, offered, failures, members } = rig();
  setSwitch(facts, "one");
  setSwitch(facts, "two");
  engine.start();
  setPort(facts, "a", { row: "shared", on: "one" });
  await engine.whenIdle();
  setPort(facts, "b", { row: "shared", on: "two" });
  await engine.whenIdle();
  t.same([members("one"), members("two")], [["a"], []]);
  t.same(failures, ["port:b: Port shared belongs to port:a; it is not created twice"]);
  t.same(offered, ["a is served"], "the other is not reported as served");
  setPort(facts, "a", { row: "its-own", on: "one" });
  await engine.whenIdle();
  t.same([members("one"), members("two")], [["a"], ["b"]], "what is given up is the other's");
  t.same(offered.slice(1).sort(), ["a is served", "b is served (anew)"]);
  t.equal(failures.length, 1, "said once");
});

t.test("a row that units share is in the sets of all of them, and stays until the last one has gone", async (t) => {
  const { facts, database, engine, offered, failures } = rig();
  const ports = (name: string) => database.get("Switch", rowUuid("Switch", name))?.["ports"];
  for (const name of ["one", "two", "three"]) setSwitch(facts, name);
  engine.start();
  const [uuid, shared] = [rowUuid("Port", "shared"), "yes"];
  setPort(facts, "a", { row: "shared", on: "one", shared });
  setPort(facts, "b", { row: "shared", on: "two", shared });
  await engine.whenIdle();
  t.same([ports("one"), ports("two")], [[uuid], [uuid]]);
  setPort(facts, "c", { row: "shared", on: "three", shared });
  facts.set("pods", "a", undefined);
  await engine.whenIdle();
  t.same([ports("one"), ports("two"), ports("three")], [[], [uuid], [uuid]]);
  for (const key of ["b", "c"]) facts.set("pods", key, undefined);
  await engine.whenIdle();
  t.same([ports("two"), ports("three")], [[], []]);
  t.equal(database.get("Port", uuid), undefined);
  t.same(failures, []);
  t.same([...new Set(offered)].sort(), ["a is served", "b is served", "c is served"]);
});

t.test("a row that only one of two units would share belongs to one of them", async (t) => {
  const { facts, engine, failures } = rig();
  for (const name of ["one", "two"]) setSwitch(facts, name);
  engine.start();
  setPort(facts, "a", { row: "shared", on: "one" });
  await engine.whenIdle();
  setPort(facts, "b", { row: "shared", on: "two", shared: "yes" });
  await engine.whenIdle();
  t.same(failures, ["port:b: Port shared belongs to port:a; it is not created twice"]);
});

t.test("a unit that does not want another unit's row any more does not get it when it is released", async (t) => {
  const { facts, engine, members } = rig();
  setSwitch(facts, "one");
  setSwitch(facts, "two");
  engine.start();
  setPort(facts, "a", { row: "shared", on: "one" });
  setPort(facts, "b", { row: "shared", on: "two" });
  setPort(facts, "c", { row: "shared", on: "two" });
  await engine.whenIdle();
  facts.set("pods", "b", undefined);
  await engine.whenIdle();
  facts.set("pods", "a", undefined);
  await engine.whenIdle();
  t.same([members("one"), members("two")], [[], ["c"]]);
});

t.test("no member is added to a row of an unexpected owner", async (t) => {
  const { facts, engine, offered, failures, members } = rig();
  setSwitch(facts, "one");
  engine.start();
  setPort(facts, "a", { on: "one", of: "switch:one" });
  setPort(facts, "b", { on: "one", of: "switch:two" });
  await engine.whenIdle();
  t.same(members("one"), ["a"]);
  t.same(failures, ["port:b: Switch one belongs to switch:one, not to switch:two; its ports are not changed"]);
  t.same(offered, ["a is served"]);
  setPort(facts, "b", { on: "one", of: "switch:one" });
  await engine.whenIdle();
  t.same(members("one"), ["a", "b"]);
  t.same(offered.slice(1), ["b is served (anew)"]);
});

t.test("no member is added to a row of an earlier run, nor another unit's row to a unit's own set", async (t) => {
  const { facts, database, engine, failures, members } = rig();
  const old = { name: "old", ports: [], external_ids: { [OWNER_KEY]: "switch:old" } };
  database.tamper((set) => set("Switch", rowUuid("Switch", "old"), old));
  setSwitch(facts, "one");
  engine.start();
  setPort(facts, "a", { on: "one" });
  setPort(facts, "b", { on: "old", of: "switch:new", member: "a" });
  setPort(facts, "c", { on: "one", member: "a" });
  await engine.whenIdle();
  t.same([members("one"), members("old")], [["a"], []]);
  t.match(failures.sort(), [/^port:b: Switch .* belongs to switch:old, not to switch:new/]);
});

t.test("members that an earlier run added to another unit's row are removed", async (t) => {
  const { facts, database, engine, members } = rig();
  for (const name of ["one", "two"]) setSwitch(facts, name);
  engine.start();
  setPort(facts, "a", { on: "one" });
  await engine.whenIdle();
  database.tamper((set) => {
    const row = database.get("Switch", rowUuid("Switch", "two"));
    set("Switch", rowUuid("Switch", "two"), { ...row, ports: [rowUuid("Port", "a")] });
  });
  setPort(facts, "b", { on: "two", member: "a" });
  await engine.whenIdle();
  t.same([members("one"), members("two")], [["a"], []]);
  const touched = new Touched();
  t.same(planChanges(engine.desired, database, touched).misdirected, [], "only what is looked at is said");
});

t.test("a member that two units want has both as owners, and stays until both are removed", async (t) => {
  for (const first of ["b", "c"]) {
    const { facts, engine, members } = rig();
    for (const name of ["one", "two"]) setSwitch(facts, name);
    setPort(facts, "a", { on: "one" });
    setPort(facts, "b", { on: "two", member: "a", memberOf: "port:a" });
    setPort(facts, "c", { on: "two", member: "a", memberOf: "port:a" });
    engine.start();
    await engine.whenIdle();
    t.same(members("two"), ["a"]);
    facts.set("pods", first, undefined);
    await engine.whenIdle();
    t.same(members("two"), ["a"], "the other one wants it still");
    facts.set("pods", first === "b" ? "c" : "b", undefined);
    await engine.whenIdle();
    t.same([members("one"), members("two")], [["a"], []]);
  }
});

t.test("a refused unit is reported, and so is its later success", async (t) => {
  const { facts, database, engine, offered, failures, timers } = rig();
  setSwitch(facts, "one");
  engine.start();
  setPort(facts, "a", { on: "one" });
  await engine.whenIdle();
  // Another program has a row of that name.
  database.tamper((set) => {
    const row = database.get("Switch", rowUuid("Switch", "one"));
    set("Port", rowUuid("Port", "foreign"), { name: "b", of: "other" });
    set("Switch", rowUuid("Switch", "one"), {
      ...row,
      ports: [rowUuid("Port", "a"), rowUuid("Port", "foreign")].sort(),
    });
  });
  setPort(facts, "b", { on: "one" });
  await engine.whenIdle();
  t.same(failures, ["port:b: constraint violation: two ports are called b"]);
  t.same(offered, ["a is served"]);
  database.tamper((set) => {
    const row = database.get("Switch", rowUuid("Switch", "one"));
    set("Switch", rowUuid("Switch", "one"), { ...row, ports: [rowUuid("Port", "a")] });
  });
  timers.pass(60_000);
  await engine.whenIdle();
  t.same(offered, ["a is served", "b is served (anew)"]);
});
