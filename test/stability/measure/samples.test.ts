// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../../../src/time/testing/manual-clock.ts";
import { SampleRecorder } from "./samples.ts";

t.test("an iteration is recorded with its actions, whether it succeeds or fails", async (t) => {
  const clock = new ManualClock();
  const recorder = new SampleRecorder(clock);
  let told = 0;
  const stop = recorder.subscribe(() => told++);
  const create = async (): Promise<string> => {
    clock.pass(5);
    return "made";
  };
  await recorder.iterate(async (actions, n) => {
    t.equal(n, 1);
    t.equal(await actions.timed("create", create), "made");
    actions.measured("far", 3);
  });
  await recorder.iterate(async (actions) => {
    clock.pass(1);
    await actions.timed("delete", () => Promise.reject(new Error("refused")));
  });
  stop();
  await recorder.iterate(async () => {
    throw undefined;
  });
  recorder.skip();
  const { samples, skipped } = recorder.record([]);
  t.same(samples.slice(0, 2), [
    {
      at: 0,
      ms: 5,
      ok: true,
      actions: [
        { name: "create", ms: 5, ok: true },
        { name: "far", ms: 3, ok: true },
      ],
    },
    { at: 5, ms: 1, ok: false, error: "refused", actions: [{ name: "delete", ms: 0, ok: false }] },
  ]);
  t.match(samples[2], { ok: false });
  t.same([told, recorder.begun, skipped], [2, 3, 1]);
});

t.test("iterations are kept in the order in which they began", async (t) => {
  const clock = new ManualClock();
  const recorder = new SampleRecorder(clock);
  const first = Promise.withResolvers<void>();
  const long = recorder.iterate(() => first.promise);
  clock.pass(10);
  await recorder.iterate(async () => {});
  first.resolve();
  await long;
  t.same(
    recorder.record([]).samples.map(({ at }) => at),
    [0, 10],
  );
});
