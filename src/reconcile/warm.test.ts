// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { setPort, setSwitch, testEngine } from "./testing/engine.ts";

/** A leader and a standby on the same facts and the same database. */
function pair() {
  const { facts, database, timers, engine: leader } = testEngine();
  const said: string[] = [];
  const { engine: standby } = testEngine({
    ...{ facts, memory: database, timers },
    offerEffects: (_unit, effects) => said.push(...effects.map(({ text }) => text)),
  });
  leader.start();
  standby.keepWarm();
  const settle = (): void => {
    for (let i = 0; i < 10; i++) timers.pass(1000);
  };
  return { facts, database, settle, leader, standby, said };
}

t.test(
  "a standby that keeps warm has nothing to compile and nothing to write when it starts, and offers all effects",
  async (t) => {
    const { facts, database, settle, leader, standby, said } = pair();
    setSwitch(facts, "s");
    for (let i = 0; i < 120; i++) setPort(facts, `p${i}`, { switch: "s" });
    await leader.whenIdle();
    settle();
    t.equal(standby.stats.compiled, 121);
    t.equal(standby.stats.transactions, 0);
    const written = database.plans.length;
    leader.stop();
    standby.start();
    await standby.whenIdle();
    t.equal(standby.stats.compiled, 121);
    t.equal(database.plans.length, written);
    t.equal(said.length, 120);
  },
);

t.test("the successor completes what the leader left undone, and applies what was changed meanwhile", async (t) => {
  const { facts, database, settle, leader, standby } = pair();
  setSwitch(facts, "s");
  setPort(facts, "a", { switch: "s" });
  await leader.whenIdle();
  settle();
  leader.stop();
  setPort(facts, "b", { switch: "s" });
  settle();
  database.tamper((set) => {
    for (const uuid of database.tables.get("Port")?.keys() ?? []) set("Port", uuid, undefined);
  });
  settle();
  standby.start();
  await standby.whenIdle();
  t.same(database.names(), ["Port a", "Port b", "Switch s"]);
});

t.test("an engine that was stopped compiles nothing", async (t) => {
  const { facts, settle, standby } = pair();
  standby.stop();
  setSwitch(facts, "s");
  settle();
  t.equal(standby.stats.compiled, 0);
});
