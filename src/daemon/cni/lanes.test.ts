// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { Lanes } from "./lanes.ts";

interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}
function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
/** Work that ends when the gate opens, or with the signal's reason when that fires. */
function until(wait: Gate, log: string[], name: string): (signal: AbortSignal) => Promise<string> {
  return async (signal) => {
    log.push(`${name} starts`);
    const stop = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => stop.reject(signal.reason as Error));
    try {
      await Promise.race([wait.opened, stop.promise]);
      return name;
    } finally {
      log.push(`${name} ends`);
    }
  };
}

t.test("a second ADD of the same attachment joins the first", async (t) => {
  const lanes = new Lanes();
  const log: string[] = [];
  const first = gate();
  const a = lanes.run("c/eth0", "add", until(first, log, "a"));
  const b = lanes.run("c/eth0", "add", until(first, log, "b"));
  const other = lanes.run("d/eth0", "add", async () => "other");
  t.equal(await other, "other", "another attachment does not wait");
  first.open();
  t.same(await Promise.all([a, b]), ["a", "a"]);
  t.same(log, ["a starts", "a ends"]);
  t.equal(lanes.size, 0);
});

t.test("a DEL aborts a running ADD and runs after it", async (t) => {
  const lanes = new Lanes();
  const log: string[] = [];
  const never = gate();
  const add = lanes.run("c/eth0", "add", until(never, log, "add"));
  const del = lanes.run("c/eth0", "del", async () => {
    log.push("del");
  });
  const again = lanes.run("c/eth0", "del", async () => {
    log.push("del again");
  });
  const next = lanes.run("c/eth0", "add", async () => {
    log.push("next");
  });
  await t.rejects(add, { name: "Superseded" });
  await Promise.all([del, again, next]);
  t.same(log, ["add starts", "add ends", "del", "next"]);
  t.notOk(lanes.busy("c/eth0"));
});

t.test("an ADD that waits for a DEL is aborted by a further DEL before it starts", async (t) => {
  const lanes = new Lanes();
  const log: string[] = [];
  const first = gate();
  const del = lanes.run("c/eth0", "del", until(first, log, "del"));
  const add = lanes.run("c/eth0", "add", until(first, log, "add"));
  const last = lanes.run("c/eth0", "del", until(first, log, "last"));
  first.open();
  await t.rejects(add, { name: "Superseded" });
  await Promise.all([del, last]);
  t.same(log, ["del starts", "del ends", "last starts", "last ends"]);
});

t.test("an ADD is aborted when the last of its callers has disconnected", async (t) => {
  const lanes = new Lanes();
  const never = gate();
  const [one, two] = [new AbortController(), new AbortController()];
  const a = lanes.run("c/eth0", "add", until(never, [], "a"), one.signal);
  const b = lanes.run("c/eth0", "add", until(never, [], "b"), two.signal);
  one.abort();
  t.ok(lanes.busy("c/eth0"), "one caller is left");
  two.abort();
  await t.rejects(a, { name: "CallerGone" });
  await t.rejects(b, { name: "CallerGone" });
  t.equal(lanes.size, 0);
});

t.test("a DEL continues when its caller disconnects", async (t) => {
  const lanes = new Lanes();
  const wait = gate();
  const caller = new AbortController();
  const del = lanes.run("c/eth0", "del", until(wait, [], "del"), caller.signal);
  caller.abort();
  wait.open();
  t.equal(await del, "del");
});

t.test("a failure ends its own job only", async (t) => {
  const lanes = new Lanes();
  const del = lanes.run("c/eth0", "check", () => Promise.reject(new Error("no")));
  const after = lanes.run("c/eth0", "check", async () => "yes");
  await t.rejects(del, /no/);
  t.equal(await after, "yes");
});
