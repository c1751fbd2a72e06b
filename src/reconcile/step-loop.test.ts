// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { StepLoop } from "./step-loop.ts";

t.test("work that comes while a step ends that has found none is not forgotten", async (t) => {
  let work = 1;
  let steps = 0;
  const loop: StepLoop = new StepLoop({
    timers: new ManualClock(),
    step: () => {
      steps += 1;
      work = 0;
      // A change in a task that is between the step's last look and the end of the loop.
      if (steps === 1)
        queueMicrotask(() => {
          work = 1;
          loop.kick();
        });
      return Promise.resolve(undefined);
    },
    hasWork: () => work > 0,
    onError: (error) => t.fail(String(error)),
  });
  loop.start();
  loop.kick();
  await loop.whenIdle();
  t.equal(steps, 2);
  t.equal(work, 0);
});

t.test("a step that finds nothing to do yet is not repeated without a reason", async (t) => {
  let steps = 0;
  const loop = new StepLoop({
    timers: new ManualClock(),
    step: () => {
      steps += 1;
      return Promise.resolve(undefined);
    },
    hasWork: () => true,
    onError: (error) => t.fail(String(error)),
  });
  loop.start();
  loop.kick();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  t.equal(steps, 1);
});
