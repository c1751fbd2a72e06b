// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { CommitDelay } from "./commit-delay.ts";

/** A write that is in progress until `done` is called. */
function writing() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { writing: true, whenWritten: () => promise, done: resolve };
}

/** Whether a promise has resolved, without waiting. */
function watched(promise: Promise<void>): () => boolean {
  let over = false;
  void promise.then(() => {
    over = true;
  });
  return () => over;
}

t.test("if nothing is pending there is no wait, and no timer is set", async (t) => {
  const clock = new ManualClock();
  await new CommitDelay(clock, 200).wait({ writing: false, whenWritten: () => t.fail() as never });
  t.equal(clock.pending, 0);
});

t.test("a commit waits for pending records, and no longer", async (t) => {
  const clock = new ManualClock();
  const more = writing();
  const over = watched(new CommitDelay(clock, 200).wait(more));
  await clock.advance(150);
  t.notOk(over());
  more.done();
  await clock.advance(0);
  t.ok(over());
  t.equal(clock.pending, 0);
});

t.test("a commit waits for a limited time", async (t) => {
  const clock = new ManualClock();
  const over = watched(new CommitDelay(clock, 200).wait(writing()));
  await clock.advance(199);
  t.notOk(over());
  await clock.advance(1);
  t.ok(over());
});

t.test("an urgent change ends the present wait only", async (t) => {
  const clock = new ManualClock();
  const gather = new CommitDelay(clock, 200);
  gather.hurry();
  const first = watched(gather.wait(writing()));
  await clock.advance(1);
  t.notOk(first());
  gather.hurry();
  await clock.advance(1);
  t.ok(first());
  t.equal(clock.pending, 0);
  const second = watched(gather.wait(writing()));
  await clock.advance(1);
  t.notOk(second());
});
