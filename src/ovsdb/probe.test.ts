// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { Probe } from "./probe.ts";

function probe(): { clock: ManualClock; log: string[]; probe: Probe } {
  const clock = new ManualClock();
  const log: string[] = [];
  const made = new Probe(clock, 1000, { ask: () => log.push("ask"), silent: (ms) => log.push(`silent ${ms}`) });
  return { clock, log, probe: made };
}

t.test("a peer that sends is not probed", async (t) => {
  const { clock, log, probe: it } = probe();
  for (let i = 0; i < 20; i++) {
    clock.pass(900);
    it.heard();
  }
  t.same(log, []);
  t.equal(clock.pending, 1);
});

t.test("a silent peer is probed after an interval and given up after another", async (t) => {
  const { clock, log } = probe();
  clock.pass(999);
  t.same(log, []);
  clock.pass(1);
  t.same(log, ["ask"]);
  clock.pass(1000);
  t.same(log, ["ask", "silent 2000"]);
  t.equal(clock.pending, 0);
});

t.test("a peer that answers is probed again after the next silence", async (t) => {
  const { clock, log, probe: it } = probe();
  clock.pass(1500);
  it.heard();
  clock.pass(999);
  t.same(log, ["ask"]);
  clock.pass(1);
  t.same(log, ["ask", "ask"]);
});

t.test("a process that was suspended itself reads pending messages before it gives the peer up", async (t) => {
  const { clock, log, probe: it } = probe();
  clock.pass(1000);
  clock.stall(5000);
  t.same(log, ["ask"], "not given up by a late timer");
  it.heard();
  clock.pass(999);
  t.same(log, ["ask"]);
});

t.test("a stopped probe does nothing more", async (t) => {
  const { clock, log, probe: it } = probe();
  it.stop();
  clock.pass(10_000);
  t.same(log, []);
});

t.test("an urged peer is probed at once and has less time", async (t) => {
  const { clock, log, probe: it } = probe();
  clock.pass(100);
  it.urge(300);
  it.urge(300);
  t.same(log, ["ask"]);
  clock.pass(200);
  it.heard();
  clock.pass(999);
  t.same(log, ["ask"], "it has answered, and has the full interval again");
  it.urge(300);
  clock.pass(300);
  t.equal(log.at(-1), "silent 1299");
  t.equal(clock.pending, 0);
});
