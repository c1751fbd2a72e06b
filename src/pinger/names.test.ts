// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { NameLookups, timed } from "./names.ts";

t.test("a check is timed, fails with its error, or after 5 s", async (t) => {
  const clock = new ManualClock();
  const slow = timed(clock, () => new Promise((resolve) => clock.after(7, () => resolve(undefined))));
  await clock.advance(7);
  t.same(await slow, { ms: 7 });
  t.same(await timed(clock, () => Promise.reject(new Error("ENOTFOUND"))), { problem: "ENOTFOUND" });
  const silent = timed(clock, () => new Promise(() => undefined));
  await clock.advance(5_000);
  t.same(await silent, { problem: "no answer within 5 s" });
  t.equal(clock.pending, 0);
});

t.test("a name that is still being resolved is not looked up a second time", async (t) => {
  const asked: string[] = [];
  const pending = Promise.withResolvers<unknown>();
  const lookups = new NameLookups((name) => {
    asked.push(name);
    return pending.promise;
  });
  const both = [lookups.resolve("a"), lookups.resolve("a"), lookups.resolve("b")];
  t.same(asked, ["a", "b"]);
  pending.reject(new Error("EAI_AGAIN"));
  t.match(await Promise.allSettled(both), [{ status: "rejected" }, { status: "rejected" }, { status: "rejected" }]);
  await t.rejects(lookups.resolve("a"));
  t.same(asked, ["a", "b", "a"]);
});
