// SPDX-License-Identifier: Apache-2.0

import { appendFileSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { factStore } from "../kinds/store.ts";
import type { SweptRow } from "../reconcile/orphaned-rows.ts";
import { listSegments, replayTo } from "./read.ts";
import { FORMAT, formatRecord } from "./record.ts";
import { Recorder } from "./recorder.ts";
import { Replay } from "./replay.ts";
import { SegmentWriter } from "./segments.ts";

const LIMIT = 64 * 1024;

/** A recorder of a store of facts into a new folder; the clock advances a millisecond with each reading. */
function recorded(limit = LIMIT, rows: readonly SweptRow[] = []) {
  const folder = join(mkdtempSync(join(tmpdir(), "weft-recording-")), "made");
  const facts = factStore();
  let now = Date.UTC(2026, 0, 31, 12);
  const timers: (() => void)[] = [];
  const clock = {
    wall: () => now++,
    after: (_: number, run: () => void) => {
      timers.push(run);
      return () => undefined;
    },
  };
  const errors: string[] = [];
  let writer: SegmentWriter | undefined;
  const northbound = { rows: () => rows, onCommitted: () => undefined };
  const recorder = new Recorder(
    { facts, northbound, clusterId: () => "", process: "pod/one", clock },
    (snapshot) =>
      (writer = new SegmentWriter(
        { folder, limit, process: "pod/one", clock, onError: (_, message) => errors.push(message) },
        snapshot,
      )),
  );
  const served = (key: string): unknown => facts.set("served", key, { key });
  const idle = async (): Promise<void> => writer?.idle();
  const bytes = (): number => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return { folder, facts, recorder, served, idle, bytes, errors, timers, now: () => now };
}

t.test(
  "a recording never has more bytes than its limit, and each file of it can be read without the others",
  async (t) => {
    const { folder, recorder, facts, served, idle, bytes } = recorded();
    recorder.begin();
    let most = 0;
    for (let i = 0; i < 3_000; i++) {
      served(`type-${i}`);
      facts.set("served", `type-${i - 5}`, undefined);
      if (i % 10 > 0) continue;
      await idle();
      most = Math.max(most, bytes());
    }
    await idle();
    most = Math.max(most, bytes());
    t.ok(most <= LIMIT, `${most} bytes`);
    t.ok(most > LIMIT / 3, "and it keeps what there is room for");
    const segments = await listSegments(folder);
    t.ok(segments.length >= 3, String(segments.length));
    for (const segment of segments) {
      const replay = await replayTo([segment]);
      t.ok(replay.facts.size("served") >= 5, segment.path);
    }
    const replay = await replayTo(segments);
    t.strictSame(replay.facts.all("served"), facts.all("served"));
    t.equal(statSync(folder).mode & 0o777, 0o700, "only its owner may read it");
  },
);

t.test("the state at a time is the one of that time, and before the recording there is none", async (t) => {
  const { folder, recorder, facts, served, idle, now } = recorded();
  served("before");
  recorder.begin();
  await idle();
  const begun = now();
  served("during");
  await idle();
  facts.set("served", "before", undefined);
  recorder.end();
  served("after");
  await idle();
  const segments = await listSegments(folder);
  const keys = async (at?: number) => (await replayTo(segments, at)).facts.all("served").map(({ key }) => key);
  t.strictSame(await keys(begun - 1), ["before"]);
  t.strictSame(await keys(begun), ["before", "during"]);
  t.strictSame(await keys(), ["during"]);
  await t.rejects(replayTo(segments, 0), { code: "out-of-range", message: /begins at 2026-01-31T12:00:00Z/ });
});

t.test(
  "a file that cannot be written stops nothing: it is reported, and after a pause a new one is started",
  async (t) => {
    const { folder, recorder, served, idle, errors, timers } = recorded();
    writeFileSync(folder, "not a folder");
    recorder.begin();
    await idle();
    served("one");
    await idle();
    t.equal(errors.length, 1, errors.join());
    t.match(errors[0], /failed to record to .*; retrying in 60 s/);
    timers[0]?.();
    served("two");
    await idle();
    t.equal(errors.length, 2);
  },
);

t.test("a cluster that is too large for the limit is reported", async (t) => {
  const { folder, recorder, served, idle, errors } = recorded();
  for (let i = 0; i < 2_000; i++) served(`type-${i}`);
  recorder.begin();
  await idle();
  t.match(errors, [/retrying in 600 s/]);
  t.strictSame(readdirSync(folder), [], "and leaves no unreadable file");
});

t.test("a state that has grown too large for the limit does not cost what was recorded before", async (t) => {
  const { folder, recorder, served, idle, timers } = recorded();
  for (let i = 0; i < 100; i++) served(`type-${i}`);
  recorder.begin();
  await idle();
  recorder.end();
  await idle();
  const before = readdirSync(folder);
  t.equal(before.length, 1);
  for (let i = 0; i < 2_000; i++) served(`type-${i}`);
  for (let i = 0; i < 5; i++) {
    recorder.begin();
    await idle();
    timers.pop()?.();
  }
  t.strictSame(readdirSync(folder), before);
});

t.test(
  "lines that come faster than they are written end the segment, and begin another one only after a pause",
  async (t) => {
    const { folder, recorder, served, idle, errors, timers } = recorded();
    served("before");
    recorder.begin();
    await idle();
    for (let i = 0; i < 200; i++) served(`type-${i % 2}-${i}`);
    await idle();
    t.match(errors, [/retrying in 60 s/]);
    const files = readdirSync(folder).length;
    served("unrecorded");
    await idle();
    t.equal(readdirSync(folder).length, files, "the disk is not made busier by another beginning");
    timers.pop()?.();
    served("after");
    await idle();
    const { facts } = await replayTo(await listSegments(folder));
    t.equal(facts.size("served"), 203, "which has what was left out");
  },
);

t.test("what changed between two terms is known in the second one, however fast that follows", async (t) => {
  const { folder, recorder, served, idle } = recorded();
  recorder.begin();
  served("first term");
  recorder.end();
  served("between");
  recorder.begin();
  served("second term");
  await idle();
  const { facts } = await replayTo(await listSegments(folder));
  t.same(
    facts.all("served").map(({ key }) => key),
    ["between", "first term", "second term"],
  );
});

t.test("a line that comes while the file is closed is written without another one", async (t) => {
  const { folder, recorder, served, idle } = recorded();
  recorder.begin();
  await idle();
  recorder.end();
  await Promise.resolve();
  recorder.begin();
  await idle();
  served("late");
  await idle();
  const { facts } = await replayTo(await listSegments(folder));
  t.equal(facts.size("served"), 1);
});

t.test("text that ends lines elsewhere, and objects that could not be read, are replayed as they were", async (t) => {
  const { folder, facts, recorder, served, idle } = recorded();
  facts.setUnread("pods", "shop/unread-before", true);
  recorder.begin();
  await idle();
  facts.setUnread("pods", "shop/unread-later", true);
  served("a\u2028b\u2029c\rd");
  await idle();
  const replay = await replayTo(await listSegments(folder));
  t.ok(replay.facts.get("served", "a\u2028b\u2029c\rd"));
  t.strictSame(replay.facts.unread("pods"), ["shop/unread-before", "shop/unread-later"]);
});

t.test("a last line that was not written to its end is ignored, and any other malformed line is named", async (t) => {
  const { folder, recorder, served, idle } = recorded();
  recorder.begin();
  served("one");
  await idle();
  const [segment] = await listSegments(folder);
  const path = segment?.path ?? "";
  appendFileSync(path, '{"line":"fact","at":');
  t.equal((await replayTo(await listSegments(folder))).facts.size("served"), 1);
  appendFileSync(path, `\n${formatRecord({ line: "complete" })}\n`);
  await t.rejects(replayTo(await listSegments(folder)), { code: "malformed", message: /\.ndjson:\d+ is not a line/ });
});

t.test("a segment begins with our rows, also with those that cannot say whose they are", async (t) => {
  const row = (table: string, uuid: string, columns: object) => ({ table, uuid, columns: { _uuid: uuid, ...columns } });
  const ids = { "weft-owner": "networkpolicy:shop/cart" };
  const rows = [
    row("Port_Group", "group", { external_ids: ids, acls: ["acl"] }),
    row("ACL", "acl", { external_ids: ids, sample_new: "sample" }),
    row("ACL", "foreign-acl", { external_ids: {}, sample_new: "foreign-sample" }),
    row("Sample", "sample", { metadata: 1, collectors: [] }),
    row("Sample", "foreign-sample", { metadata: 2, collectors: [] }),
  ];
  const { folder, recorder, idle } = recorded(LIMIT, rows);
  recorder.begin();
  await idle();
  const replay = await replayTo(await listSegments(folder));
  t.strictSame([...replay.rows.rows().keys()], ["group", "acl", "sample"]);
});

t.test("a fact that this version cannot index counts as unread, and the rest is replayed", async (t) => {
  const replay = new Replay({ line: "header", format: FORMAT, at: 1, process: "a", clusterId: "" });
  replay.apply({ line: "fact", at: 1, kind: "pods", key: "shop/cart", value: { key: "shop/cart" } });
  replay.apply({ line: "fact", at: 1, kind: "served", key: "a", value: { key: "a" } });
  t.strictSame(replay.facts.unread("pods"), ["shop/cart"]);
  t.equal(replay.facts.size("served"), 1);
});

t.test("a file that is not a recording is reported as such", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "weft-recording-"));
  await t.rejects(listSegments(join(folder, "absent")), { code: "unreadable" });
  await t.rejects(listSegments(folder), { code: "empty" });
  writeFileSync(join(folder, "weft-1.ndjson"), '{"line":"header","format":99,"at":1,"process":"a","clusterId":""}\n');
  await t.rejects(listSegments(folder), { code: "version", message: /format 99 is not supported, only 1/ });
  for (const wrong of ["{}", "[]", "null", '"a"', "{", '{"line":"fact","key":"a"}']) {
    writeFileSync(join(folder, "weft-1.ndjson"), `${wrong}\n`);
    await t.rejects(listSegments(folder), { code: "malformed" }, wrong);
  }
  const header = formatRecord({ line: "header", format: FORMAT, at: 1, process: "a", clusterId: "" });
  writeFileSync(join(folder, "weft-1.ndjson"), `${header}\n`);
  await t.rejects(replayTo(await listSegments(folder)), { code: "out-of-range", message: /no segment .* is complete/ });
  t.match(readFileSync(join(folder, "weft-1.ndjson"), "utf8"), header);
});
