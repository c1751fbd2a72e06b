// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { EffectRunner } from "./effect-runner.ts";
import type { SaidEffect } from "./testing/engine.ts";

function rig(limit = 2) {
  const timers = new ManualClock();
  const done: string[] = [];
  const errors: string[] = [];
  const open: { text: string; end: (error?: Error) => void }[] = [];
  const runner = new EffectRunner<SaidEffect>({
    limit,
    timers,
    run: (effect) =>
      new Promise((resolve, reject) => {
        open.push({
          text: effect.text,
          end: (error) => {
            if (error) return reject(error);
            done.push(effect.text);
            resolve();
          },
        });
      }),
    onError: (effect, error) => errors.push(`${effect.text}: ${(error as Error).message}`),
  });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { runner, timers, done, errors, open, settle };
}

t.test("at most `limit` effects run at once, and each key one at a time with its newest effect", async (t) => {
  const { runner, open, done, settle } = rig(1);
  runner.offer("u1", [{ key: "a", text: "a1" }]);
  runner.offer("u2", [{ key: "b", text: "b1" }]);
  t.same(
    open.map(({ text }) => text),
    ["a1"],
  );
  runner.offer("u1", [{ key: "a", text: "a2" }]);
  runner.offer("u1", [{ key: "a", text: "a3" }]);
  open[0]?.end();
  await settle();
  open[1]?.end();
  await settle();
  open[2]?.end();
  await settle();
  t.same(done, ["a1", "b1", "a3"]);
  t.equal(runner.pending, 0);
});

t.test("an effect that is being carried out can tell whether its unit still returns it", async (t) => {
  const asked: (() => boolean)[] = [];
  const runner = new EffectRunner<SaidEffect>({
    limit: 2,
    timers: new ManualClock(),
    run: (_, isWanted) => new Promise(() => void asked.push(isWanted)),
    onError: () => undefined,
  });
  runner.offer("u", [{ key: "a", text: "a1" }]);
  runner.offer("v", [{ key: "b", text: "b1" }]);
  const answers = (): boolean[] => asked.map((isWanted) => isWanted());
  t.same(answers(), [true, true]);
  runner.offer("u", [{ key: "a", text: "a2" }]);
  runner.offer("v", []);
  t.same(answers(), [false, false]);
});

t.test("an effect that one unit returns instead of another is carried out, whichever is offered first", async (t) => {
  for (const order of [
    ["old", "new"],
    ["new", "old"],
  ]) {
    const { runner, open, settle, timers, done } = rig();
    runner.offer("old", [{ key: "a", text: "a" }]);
    open[0]?.end(new Error("no connection"));
    await settle();
    for (const unit of order) runner.offer(unit, unit === "new" ? [{ key: "a", text: "a" }] : []);
    await timers.advance(60_000);
    open[1]?.end();
    await settle();
    t.same(done, ["a"], order.join(" before "));
    runner.offer("new", []);
    runner.offer("new", [{ key: "a", text: "a" }]);
    t.equal(open.length, 3, "it is withdrawn by who returned it last");
  }
});

t.test("an executed effect is not repeated while its unit keeps returning it", async (t) => {
  const { runner, open, settle } = rig();
  runner.offer("u", [{ key: "a", text: "a" }]);
  open[0]?.end();
  await settle();
  runner.offer("u", [{ key: "a", text: "a" }]);
  t.equal(open.length, 1);
  runner.offer("u", []);
  runner.offer("u", [{ key: "a", text: "a" }]);
  t.equal(open.length, 2, "it is again once the unit had stopped returning it");
});

t.test("a failure is retried after growing pauses until the unit withdraws it", async (t) => {
  const { runner, open, errors, timers, settle } = rig();
  runner.offer("u", [{ key: "a", text: "a" }]);
  open[0]?.end(new Error("no"));
  await settle();
  t.same(errors, ["a: no"]);
  timers.pass(499);
  t.equal(open.length, 1);
  timers.pass(1);
  t.equal(open.length, 2);
  open[1]?.end(new Error("no"));
  await settle();
  runner.offer("u", []);
  timers.pass(60_000);
  t.equal(open.length, 2);
});

t.test("an executed effect is executed once more when it is renewed, also while it is running", async (t) => {
  const { runner, open, done, settle } = rig();
  const wish = [{ key: "a", text: "a" }];
  runner.offer("u", wish);
  open[0]?.end();
  await settle();
  runner.offer("u", wish, true);
  t.equal(open.length, 2);
  runner.offer("u", wish, true);
  runner.offer("u", wish, true);
  t.equal(open.length, 2);
  open[1]?.end();
  await settle();
  open[2]?.end();
  await settle();
  t.same(done, ["a", "a", "a"]);
  t.equal(runner.pending, 0);
});
