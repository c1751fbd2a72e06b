// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NodeContention } from "./contention.ts";

const LIMITS = { patience: 3, firstPauseMs: 100, maxPauseMs: 1_000, calmMs: 10_000 };

t.test(
  "an object that is removed once is restored at once, one that is removed repeatedly after growing pauses",
  async (t) => {
    const contention = new NodeContention(LIMITS);
    const pauses: number[] = [];
    let now = 0;
    for (let i = 0; i < 8; i++) {
      const { times, pauseMs } = contention.note("route a", now);
      t.equal(times, i + 1);
      pauses.push(pauseMs);
      now += pauseMs + 50;
    }
    t.same(pauses, [0, 0, 100, 200, 400, 800, 1_000, 1_000]);
  },
);

t.test("the count of an object starts over after a while, and objects do not affect each other", async (t) => {
  const contention = new NodeContention(LIMITS);
  for (const now of [0, 1, 2]) contention.note("route a", now);
  t.same(contention.note("route b", 3), { times: 1, pauseMs: 0 });
  t.same(
    contention.note("route a", 10_102),
    { times: 4, pauseMs: 200 },
    "10 s after a pause of 100 ms still counts as consecutive",
  );
  t.same(contention.note("route a", 20_303), { times: 1, pauseMs: 0 });
});

t.test("the number of tracked names is bounded", async (t) => {
  const contention = new NodeContention(LIMITS);
  for (let i = 0; i < 10_000; i++) contention.note(`link ${i}`, i);
  t.equal(contention.note("link 1", 10_000).times, 1, "forgotten");
  t.equal(contention.note("link 9999", 10_000).times, 2);
});
