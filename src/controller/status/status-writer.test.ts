// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { ConditionEffect } from "../../compile/effects.ts";
import { type Failure, Failures } from "../../desired/failures.ts";
import { SUBNETS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { type Status, StatusWriter } from "./status-writer.ts";

const NAME = "web";
const READY: ConditionEffect = {
  ...{ kind: "condition", key: `condition/subnets/${NAME}`, resource: "subnets", name: NAME, uid: "1", generation: 1 },
  ...{ ready: true, reason: "Ready", message: "" },
};
const REFUSED: ConditionEffect = { ...READY, ready: false, reason: "SubnetConflict", message: "it overlaps another" };

/** A writer, and subnets of which it sees only the results of its own patches, as if the watch were silent. */
async function rig(names: readonly string[] = [NAME]) {
  const clock = new ManualClock();
  const kube = fakeKube({ clock });
  const seen = new Map<string, Status>();
  for (const name of names) {
    await kube.create(SUBNETS, { metadata: { name } });
    seen.set(name, {});
  }
  const used = { count: 0n };
  const errors: unknown[] = [];
  const failures: Failure[] = [];
  /** The errors thrown when the counters of an object are read, by name. */
  const odd = new Map<string, Error>();
  const writer = new StatusWriter({
    kube,
    timers: clock,
    current: (_, name) => seen.get(name),
    usage: (_, name) => {
      const error = odd.get(name);
      if (error !== undefined) throw error;
      return { v4: { available: 254n - used.count, using: used.count, availableRange: "", usingRange: "" } };
    },
    failures: new Failures(clock, (failure) => failures.push(failure)),
    now: () => "2026-01-01T00:00:00Z",
    onWritten: (_, { metadata, status }) => seen.set(metadata.name, (status ?? {}) as Status),
    onError: (_, error) => errors.push(error),
  });
  const count = (using: bigint): void => {
    used.count = using;
    writer.touch("subnets", NAME);
  };
  const stored = (): Status => (kube.object(SUBNETS, { name: NAME })?.status ?? {}) as Status;
  const conditions = () => Object.fromEntries((stored().conditions ?? []).map(({ type, status }) => [type, status]));
  const patches = (): number => kube.requests.filter(({ verb }) => verb === "patch").length;
  return { clock, kube, writer, count, stored, conditions, patches, errors, failures, odd };
}

t.test("a first state is written at once, with earlier counters, in one patch", async (t) => {
  const { clock, writer, count, stored, conditions, patches } = await rig();
  count(1n);
  await clock.advance(30);
  t.equal(patches(), 0, "nothing is said of what is not compiled yet");
  writer.state(READY);
  await clock.advance(0);
  t.strictSame(conditions(), { Validated: "True", Ready: "True" });
  t.match(stored(), { v4usingIPs: 1, v4availableIPs: 253 });
  t.equal(patches(), 1);
  await clock.advance(60_000);
  t.equal(patches(), 1);
  t.equal(clock.pending, 0);
});

t.test("a changed condition is written at once, however recent the last patch", async (t) => {
  const { clock, writer, conditions, patches } = await rig();
  writer.state(READY);
  await clock.advance(0);
  writer.state(REFUSED);
  await clock.advance(0);
  t.strictSame(conditions(), { Validated: "False", Ready: "False" });
  writer.state(READY);
  await clock.advance(0);
  t.strictSame(conditions(), { Validated: "True", Ready: "True" });
  t.equal(patches(), 3);
});

t.test("a counter that changes every few seconds is written at once or in the next second", async (t) => {
  const { clock, writer, count, stored } = await rig();
  writer.state(READY);
  await clock.advance(600);
  count(1n);
  await clock.advance(400);
  t.equal(stored()["v4usingIPs"], 1, "the first second after the condition is over");
  await clock.advance(5_000);
  count(0n);
  await clock.advance(0);
  t.equal(stored()["v4usingIPs"], 0);
});

t.test("a thousand changes of a counter in 20 s are six more patches, the last one with the final value", async (t) => {
  const { clock, writer, count, stored, patches } = await rig();
  writer.state(READY);
  await clock.advance(15_000);
  t.equal(patches(), 1);
  for (let i = 1n; i <= 1000n; i++) {
    count(i % 200n);
    await clock.advance(20);
  }
  await clock.advance(5_000);
  t.equal(stored()["v4usingIPs"], 0);
  t.equal(patches(), 7, "one at once, then after 1, 3, 7, 15 and 25 s");
  await clock.advance(20_000);
  t.equal(patches(), 7);
  t.equal(clock.pending, 0);
});

t.test("the counters of an object that never compiles are written after a while", async (t) => {
  const { clock, count, stored } = await rig();
  count(7n);
  await clock.advance(999);
  t.equal(stored()["v4usingIPs"], undefined);
  await clock.advance(1);
  t.equal(stored()["v4usingIPs"], 7);
});

t.test("a condition that another client keeps reverting is restored at most ten times in ten seconds", async (t) => {
  const { clock, writer, patches } = await rig();
  for (let i = 0; i < 999; i++) {
    writer.state(i % 2 === 0 ? READY : REFUSED);
    await clock.advance(10);
  }
  t.equal(patches(), 10);
  await clock.advance(10_000);
  t.equal(patches(), 11);
});

t.test("a hundred objects are written in parallel, and never more than 24 at once", async (t) => {
  const names = Array.from({ length: 100 }, (_, i) => `s${i}`);
  const { clock, kube, writer, patches } = await rig(names);
  kube.fail({ verb: "patch", delayMs: 20, times: Number.POSITIVE_INFINITY });
  for (const name of names) writer.state({ ...READY, key: `condition/subnets/${name}`, name });
  await clock.advance(0);
  t.equal(patches(), 24);
  await clock.advance(100);
  t.equal(patches(), 100, "a hundred calls of 20 ms in 100 ms");
  t.equal(names.filter((name) => kube.object(SUBNETS, { name })?.status === undefined).length, 0);
});

t.test("a failed patch is retried with growing pauses, with the state that is wanted by then", async (t) => {
  const { clock, kube, writer, conditions, patches, errors } = await rig();
  kube.fail({ verb: "patch", code: "unavailable", times: 2 });
  writer.state(REFUSED);
  await clock.advance(0);
  writer.state(READY);
  await clock.advance(499);
  t.equal(patches(), 1);
  await clock.advance(1);
  t.equal(patches(), 2);
  await clock.advance(1000);
  t.strictSame(conditions(), { Validated: "True", Ready: "True" });
  t.equal(errors.length, 2);
});

t.test(
  "counters whose patch failed, and whose next attempt falls into the pause, are written at its end",
  async (t) => {
    const { clock, kube, writer, count, stored } = await rig();
    writer.state(READY);
    await clock.advance(15_000);
    kube.fail({ verb: "patch", code: "unavailable", times: 1 });
    count(3n);
    await clock.advance(999);
    t.equal(stored()["v4usingIPs"], 0);
    await clock.advance(1);
    t.equal(stored()["v4usingIPs"], 3);
  },
);

t.test("a writer that is stopped writes nothing more and leaves no timer", async (t) => {
  const { clock, writer, count, patches } = await rig();
  writer.state(READY);
  await clock.advance(0);
  count(3n);
  await clock.advance(0);
  writer.stop();
  count(4n);
  await clock.advance(60_000);
  t.equal(patches(), 1);
  t.equal(clock.pending, 0);
});

t.test("a status that cannot be computed is retried, and does not delay others", async (t) => {
  const { clock, kube, writer, failures, odd } = await rig(["odd", NAME]);
  odd.set("odd", new Error("an odd object"));
  writer.state({ ...READY, key: "condition/subnets/odd", name: "odd" });
  writer.state(READY);
  await clock.advance(0);
  const conditions = (name: string): unknown => (kube.object(SUBNETS, { name })?.status as Status)?.conditions?.length;
  t.equal(conditions(NAME), 2);
  t.match(failures, [{ part: "status", kind: "subnets", key: "odd", attempts: 1 }]);
  await clock.advance(1_000);
  t.equal(failures.length, 2);
  odd.clear();
  await clock.advance(2_000);
  t.equal(conditions("odd"), 2);
  await clock.advance(60_000);
  t.equal(failures.length, 2);
  t.equal(clock.pending, 0);
});
