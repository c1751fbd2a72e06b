// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ReconcileLoop } from "./reconcile-loop.ts";

t.test("a loop runs once for many triggers and again for a trigger during the run", async (t) => {
  let runs = 0;
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const started = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const loop = new ReconcileLoop(
    async () => {
      runs += 1;
      started[runs - 1]?.resolve();
      await gates[runs - 1]?.promise;
    },
    () => undefined,
    { restMs: 1 },
  );
  loop.trigger();
  loop.trigger();
  await started[0]!.promise;
  loop.trigger();
  loop.trigger();
  gates[0]!.resolve();
  await started[1]!.promise;
  gates[1]!.resolve();
  await loop.stop();
  t.equal(runs, 2);
});

t.test("a failing loop retries with growing pauses", async (t) => {
  const pauses: number[] = [];
  const done = Promise.withResolvers<void>();
  const loop = new ReconcileLoop(
    async () => {
      if (pauses.length < 4) throw new Error("not yet");
      done.resolve();
    },
    (_error, retryMs) => pauses.push(retryMs),
    { firstRetryMs: 1, maxRetryMs: 4, restMs: 0 },
  );
  loop.trigger();
  await done.promise;
  await loop.stop();
  t.same(pauses, [1, 2, 4, 4]);
});

t.test("a loop that backs off waits, but not when the desired state changes", async (t) => {
  let runs = 0;
  const second = Promise.withResolvers<void>();
  const loop = new ReconcileLoop(
    async () => {
      runs += 1;
      if (runs === 1) loop.backOff(3_600_000);
      else second.resolve();
    },
    () => undefined,
    { restMs: 1 },
  );
  loop.trigger();
  while (runs === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  for (let turn = 0; turn < 20; turn++) {
    loop.trigger();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.equal(runs, 1);
  loop.hurry();
  await second.promise;
  await loop.stop();
  t.equal(runs, 2);
});
