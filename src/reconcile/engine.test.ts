// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { OWNER_KEY, rowUuid } from "../desired/identity.ts";
import { portKind, setPort, setSwitch, switchKind, testEngine } from "./testing/engine.ts";

function rig() {
  const offered: string[] = [];
  const failures: string[] = [];
  const { facts, database, timers, engine } = testEngine({
    offerEffects: (_unit, effects, renew) =>
      offered.push(...effects.map((effect) => `${renew ? "again: " : ""}${effect.text}`)),
    onUnitFailure: (unit, error) => failures.push(`${unit}: ${error.message}`),
    onDeposed: () => failures.push("deposed"),
  });
  const addSwitch = (name: string): unknown => setSwitch(facts, name);
  const addPort = (name: string, on: string, extra: Record<string, string> = {}): unknown =>
    setPort(facts, name, { switch: on, ...extra });
  return { facts, database, timers, engine, offered, failures, addSwitch, addPort };
}

t.test("many changes before the first write become one transaction, and effects follow it", async (t) => {
  const { engine, database, offered, addSwitch, addPort } = rig();
  addPort("p1", "s");
  addSwitch("s");
  addPort("p2", "s");
  t.same(database.names(), [], "nothing is written before start");
  engine.start();
  await engine.whenIdle();
  t.same(database.names(), ["Port p1", "Port p2", "Switch s"]);
  t.equal(engine.stats.transactions, 1);
  t.same(offered, ["p1 is on s", "p2 is on s"]);
});

t.test(
  "while many units are compiled the event loop turns, and they become one transaction all the same",
  async (t) => {
    let turns = 0;
    const compiledAt: number[] = [];
    const { facts, database, engine } = testEngine({
      turn: () => {
        turns++;
        return new Promise((resolve) => setImmediate(resolve));
      },
      kinds: [
        switchKind,
        {
          ...portKind,
          atomic: true,
          compile: (input) => {
            compiledAt.push(turns);
            return portKind.compile(input);
          },
        },
      ],
    });
    setSwitch(facts, "s");
    for (let i = 0; i < 400; i++) setPort(facts, `p${i}`, { switch: "s" });
    engine.start();
    await engine.whenIdle();
    t.equal(database.names().length, 401);
    t.equal(engine.stats.transactions, 1);
    const each = Map.groupBy(compiledAt, (turn) => turn);
    t.ok(Math.max(...[...each.values()].map(({ length }) => length)) <= 50, "at most 50 units between two turns");
  },
);

t.test(
  "an engine that is stopped while it compiles writes nothing, and goes on when it is started again",
  async (t) => {
    const stops: (() => void)[] = [];
    const { facts, database, engine } = testEngine({
      turn: async () => {
        stops.pop()?.();
      },
    });
    setSwitch(facts, "s");
    for (let i = 0; i < 200; i++) setPort(facts, `p${i}`, { switch: "s" });
    stops.push(() => engine.stop());
    engine.start();
    await new Promise((resolve) => setImmediate(resolve));
    t.same(database.names(), []);
    t.ok(engine.stats.compiled < 200);
    engine.start();
    await engine.whenIdle();
    t.equal(database.names().length, 201);
  },
);

t.test("each row with external ids names the unit that owns it", async (t) => {
  const { engine, database, addSwitch } = rig();
  addSwitch("s");
  engine.start();
  await engine.whenIdle();
  t.same(database.get("Switch", rowUuid("Switch", "s"))?.["external_ids"], { [OWNER_KEY]: "switch:s" });
});

t.test("a port whose switch does not exist yet waits, without effect, until the switch comes", async (t) => {
  const { engine, database, offered, addSwitch, addPort } = rig();
  engine.start();
  addPort("p1", "s");
  await engine.whenIdle();
  t.same(database.names(), []);
  t.same(offered, []);
  t.equal(engine.stats.transactions, 0, "a row that would be collected at once is not even sent");
  addSwitch("s");
  await engine.whenIdle();
  t.same(database.names(), ["Port p1", "Switch s"]);
  t.same(offered, ["p1 is on s"]);
});

t.test("a unit that is retried is compared completely and its effects are carried out once more", async (t) => {
  const { engine, database, offered, addSwitch, addPort } = rig();
  addSwitch("s");
  addPort("p", "s");
  t.equal(engine.stateOf("port:p"), "to be compiled");
  engine.start();
  await engine.whenIdle();
  t.equal(engine.stateOf("port:p"), "committed");
  t.equal(engine.stateOf("port:q"), "not there");
  const before = database.names();
  // As if the mirror had not been notified.
  database.onChanges = () => {};
  database.tables.get("Port")?.clear();
  offered.length = 0;
  engine.retry("port:p");
  await engine.whenIdle();
  t.same(database.names(), before);
  t.match(offered, [/^again: /]);
});

t.test("rows that another client deletes or changes are restored and counted", async (t) => {
  const { engine, database, addSwitch, addPort } = rig();
  addSwitch("s");
  addPort("p1", "s", { mac: "a" });
  engine.start();
  await engine.whenIdle();
  const port = rowUuid("Port", "p1");
  database.tamper((set) => set("Switch", rowUuid("Switch", "s"), undefined));
  await engine.whenIdle();
  t.same(database.names(), ["Port p1", "Switch s"], "the switch comes back with its port");
  database.tamper((set) => set("Port", port, { ...database.get("Port", port), mac: "forged" }));
  await engine.whenIdle();
  t.equal(database.get("Port", port)?.["mac"], "a");
  database.tamper((set) => set("Switch", rowUuid("Switch", "s"), { name: "s", external_ids: {}, ports: [] }));
  await engine.whenIdle();
  t.same(database.names(), ["Port p1", "Switch s"], "a port taken out of its switch comes back");
  t.ok(engine.stats.repairs >= 4);
});

t.test("a unit that the database refuses is retried with back-off while the rest is committed", async (t) => {
  const { engine, database, failures, offered, timers, addSwitch, addPort } = rig();
  addSwitch("s");
  for (const name of ["p1", "p2", "p3", "p4", "p5"]) addPort(name, "s", name === "p3" ? { bad: "true" } : {});
  engine.start();
  await engine.whenIdle();
  t.same(database.names(), ["Port p1", "Port p2", "Port p4", "Port p5", "Switch s"]);
  t.equal(failures.length, 1);
  t.match(failures[0], /^port:p3: constraint violation/);
  t.notOk(offered.includes("p3 is on s"));
  timers.pass(1000);
  await engine.whenIdle();
  t.equal(failures.length, 2, "it is retried after its pause");
  addPort("p3", "s");
  await engine.whenIdle();
  t.ok(database.names().includes("Port p3"), "a corrected unit does not wait for its pause");
});

t.test("after an unknown outcome the difference is planned again", async (t) => {
  const { engine, database, addSwitch } = rig();
  database.outcomes.push({ kind: "unknown", error: new Error("connection lost") });
  addSwitch("s");
  engine.start();
  await engine.whenIdle();
  t.same(database.names(), ["Switch s"]);
});

t.test("a deposed engine does not write until it is started again", async (t) => {
  const { engine, database, failures, addSwitch } = rig();
  database.outcomes.push({ kind: "deposed" });
  addSwitch("s");
  engine.start();
  await new Promise((resolve) => setImmediate(resolve));
  t.same(failures, ["deposed"]);
  addSwitch("s2");
  await new Promise((resolve) => setImmediate(resolve));
  t.same(database.names(), []);
  engine.start();
  await engine.whenIdle();
  t.same(database.names(), ["Switch s", "Switch s2"]);
});

t.test("an idle system writes nothing", async (t) => {
  const { engine, database, facts, addSwitch, addPort } = rig();
  addSwitch("s");
  addPort("p1", "s");
  engine.start();
  await engine.whenIdle();
  const { transactions, compiled } = engine.stats;
  addPort("p1", "s");
  facts.set("nodes", "n", {
    key: "n",
    name: "n",
    uid: "n",
    created: "",
    internal: {},
    ready: true,
    addresses: [],
    labels: {},
    annotations: {},
  });
  await engine.whenIdle();
  t.equal(engine.stats.transactions, transactions);
  t.equal(engine.stats.compiled, compiled);
  t.equal(database.plans.length, transactions);
});

t.test("the rows of a removed unit are deleted", async (t) => {
  const { engine, database, facts, addSwitch, addPort } = rig();
  addSwitch("s");
  addPort("p1", "s");
  addPort("p2", "s");
  engine.start();
  await engine.whenIdle();
  facts.set("pods", "p1", undefined);
  await engine.whenIdle();
  t.same(database.names(), ["Port p2", "Switch s"]);
  facts.set("namespaces", "s", undefined);
  await engine.whenIdle();
  t.same(database.names(), [], "a switch goes with all its ports");
});

t.test("a second start offers all effects again, and writes no rows", async (t) => {
  const { engine, offered, addSwitch, addPort } = rig();
  addSwitch("s");
  addPort("p1", "s");
  addPort("p2", "nowhere");
  engine.start();
  await engine.whenIdle();
  engine.stop();
  offered.length = 0;
  engine.start();
  await engine.whenIdle();
  t.same(offered, ["p1 is on s"], "and nothing of a row that still waits for its holder");
  t.equal(engine.stats.transactions, 1);
});

t.test("facts that change and change back renew the effects: one may have been carried out in between", async (t) => {
  const { engine, offered, addSwitch, addPort } = rig();
  addSwitch("s");
  addPort("p1", "s");
  engine.start();
  await engine.whenIdle();
  offered.length = 0;
  addPort("p1", "elsewhere");
  addPort("p1", "s");
  await engine.whenIdle();
  t.same(offered, ["again: p1 is on s"]);
});

t.test(
  "effects of what has changed during the transaction are not offered, but those of what it has become",
  async (t) => {
    const { engine, database, offered, addSwitch, addPort } = rig();
    addSwitch("s");
    addSwitch("other");
    engine.start();
    await engine.whenIdle();
    addPort("p1", "s");
    await Promise.resolve();
    const commit = database.commit.bind(database);
    database.commit = async (plan) => {
      database.commit = commit;
      addPort("p1", "other");
      return await commit(plan);
    };
    await engine.whenIdle();
    t.same(offered, ["p1 is on other"]);
  },
);
