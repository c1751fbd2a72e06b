// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { CpuShare } from "./cpu-share.ts";

function rig() {
  const timers: { readonly at: number; readonly run: () => void }[] = [];
  let now = 0;
  const share = new CpuShare({
    now: () => now,
    after: (ms, run) => {
      timers.push({ at: now + ms, run });
      return () => undefined;
    },
  });
  const done: string[] = [];
  const ask = (account: string, name: string, ms = 100): Promise<string> =>
    share.run(account, () => {
      now += ms;
      done.push(name);
      return name;
    });
  const tick = (): number => {
    const timer = timers.shift();
    now = timer?.at ?? now;
    timer?.run();
    return now;
  };
  return { ask, done, tick };
}

t.test("work that follows other work waits for twice the time that this took", async (t) => {
  const { ask, done, tick } = rig();
  const first = ask("a", "first");
  const second = ask("a", "second");
  t.strictSame(done, ["first"]);
  t.equal(await first, "first");
  t.equal(tick(), 400, "100 ms of work, 200 ms of rest, 100 ms of work");
  t.equal(await second, "second");
  t.equal(tick(), 600);
  t.equal(tick(), 600, "without work there is no timer");
});

t.test("accounts take turns, however much one of them asks", async (t) => {
  const { ask, done, tick } = rig();
  for (const name of ["a1", "a2", "a3"]) void ask("a", name);
  void ask("b", "b1");
  for (let i = 0; i < 4; i++) tick();
  t.strictSame(done, ["a1", "a2", "b1", "a3"]);
});

t.test("work that fails is an error of its own, and the next is run", async (t) => {
  const share = new CpuShare({
    now: () => 0,
    after: (_, run) => {
      run();
      return () => undefined;
    },
  });
  const failing = share.run("a", () => {
    throw new Error("no");
  });
  await t.rejects(failing, { message: "no" });
  t.equal(await share.run("a", () => 5), 5);
});
