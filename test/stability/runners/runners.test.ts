// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../../../src/time/testing/manual-clock.ts";
import type { Plugin } from "../plugin.ts";
import { pauseOrAbort } from "../run/pause.ts";
import { CONSTANT } from "./constant.ts";
import { CONSTANT_FOR_DURATION } from "./constant-for-duration.ts";
import { RANDOM_TIMES } from "./random-times.ts";
import { RPS } from "./rps.ts";
import type { Runner } from "./runner.ts";
import { SERIAL } from "./serial.ts";

/** Drives a runner with iterations of a duration in ms; returns when each began, and the maximum number in parallel. */
async function drive(
  plugin: Plugin<Runner>,
  options: unknown,
  { ms = 100, until = 60_000, wantedUntil = 0, stall = 0 } = {},
): Promise<{ begun: number[]; most: number; skipped: number; ended: number }> {
  const clock = new ManualClock();
  const configured = plugin.configure(options);
  if (!configured.ok) throw new Error(JSON.stringify(configured.issues));
  const stop = new AbortController();
  clock.after(until, () => stop.abort());
  const seen = { begun: [] as number[], most: 0, skipped: 0, ended: 0 };
  let now = 0;
  let random = 0;
  const running = configured.value
    .run({
      clock,
      signal: stop.signal,
      random: () => (random = (random + 0.37) % 1),
      wanted: () => clock.now() < wantedUntil,
      skip: () => void seen.skipped++,
      async next() {
        seen.begun.push(clock.now());
        seen.most = Math.max(seen.most, ++now);
        await pauseOrAbort(clock, ms);
        now--;
      },
    })
    .then(() => {
      seen.ended = clock.now();
    });
  await clock.advance(500);
  clock.stall(stall);
  await clock.advance(100_000);
  await running;
  return seen;
}

t.test("serial runs one after the other", async (t) => {
  const { begun, most, ended } = await drive(SERIAL, { times: 4 });
  t.same([begun, most, ended], [[0, 100, 200, 300], 1, 400]);
});

t.test("constant keeps a number in parallel, and runs no more than requested", async (t) => {
  const { begun, most } = await drive(CONSTANT, { times: 7, concurrency: 3 });
  t.same([begun.length, most], [7, 3]);
});

t.test("constant_for_duration continues for its duration, and as long as it is needed", async (t) => {
  t.same((await drive(CONSTANT_FOR_DURATION, { seconds: 1 })).ended, 1_000);
  t.same((await drive(CONSTANT_FOR_DURATION, { seconds: 1, concurrency: 2 }, { wantedUntil: 3_000 })).begun.length, 60);
});

t.test("rps begins at its rate however long iterations take, and skips excess ones", async (t) => {
  const { begun, most } = await drive(RPS, { rps: 10, seconds: 1 }, { ms: 350 });
  t.same([begun, most], [[0, 100, 200, 300, 400, 500, 600, 700, 800, 900], 4]);
  const busy = await drive(RPS, { rps: 10, seconds: 1, max_at_once: 2 }, { ms: 10_000 });
  t.same([busy.begun.length, busy.skipped], [2, 8]);
});

t.test("rps that was stopped catches up for at most a second", async (t) => {
  const { begun, skipped } = await drive(RPS, { rps: 10, seconds: 10 }, { ms: 1, stall: 5_000 });
  t.equal(begun.length + skipped, 100);
  t.ok(skipped >= 38 && skipped <= 42, `${skipped} were skipped`);
});

t.test("random_times begins all within its duration, in order", async (t) => {
  const { begun } = await drive(RANDOM_TIMES, { times: 20, seconds: 5 });
  t.equal(begun.length, 20);
  t.ok(begun.every((at) => at <= 5_000));
  t.ok(new Set(begun).size > 10);
});

t.test("each ends early when the run is stopped", async (t) => {
  for (const [plugin, options] of [
    [SERIAL, { times: 1_000 }],
    [CONSTANT, { times: 1_000, concurrency: 2 }],
    [CONSTANT_FOR_DURATION, { seconds: 90 }],
    [RPS, { rps: 10, seconds: 90 }],
    [RANDOM_TIMES, { times: 1_000, seconds: 90 }],
  ] as const) {
    const { ended } = await drive(plugin, options, { until: 2_000 });
    t.ok(ended <= 2_100, `${plugin.name} ended at ${ended}`);
  }
});
