// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { addIp, addNetworkPolicy, addPod, sampleFacts } from "../../compile/testing/sample-facts.ts";
import type { Plan } from "../../reconcile/transaction-plan.ts";
import { withOwner } from "../../reconcile/with-owner.ts";
import { Recorder } from "../../recording/recorder.ts";
import { SegmentWriter } from "../../recording/segments.ts";
import { parseTime } from "../../time/rfc3339.ts";
import { modelOfFacts } from "../cluster-model.ts";
import { planRows } from "../plan-rows.ts";
import { replayCommand } from "./command.ts";

const BEGIN = Date.UTC(2026, 0, 31, 12);
const PORT = "uid-b";

/** A minute in which a pod is created, and another in which a policy isolates it. */
async function recording(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "weft-replay-"));
  const facts = sampleFacts();
  let now = BEGIN;
  const clock = { wall: () => now, after: () => () => undefined };
  let committed: (plan: Plan) => void = () => undefined;
  let fragments: ReturnType<typeof wanted> = new Map();
  const wanted = () =>
    new Map([...modelOfFacts(facts, "").fragments].map(([unit, fragment]) => [unit, withOwner(unit, fragment)]));
  const commit = (): void => {
    const next = wanted();
    committed(planRows(fragments, next).plan);
    fragments = next;
  };
  let writer: SegmentWriter | undefined;
  const northbound = {
    rows: () => [],
    onCommitted: (listener: typeof committed) => {
      committed = listener;
    },
  };
  const recorder = new Recorder(
    { facts, northbound, clusterId: () => "", process: "controller-1", clock },
    (snapshot) => {
      const onError = (error: unknown): void => {
        t.fail(String(error));
      };
      writer = new SegmentWriter({ folder, limit: 2 ** 24, process: "controller-1", clock, onError }, snapshot);
      return writer;
    },
  );
  recorder.begin();
  await writer?.idle();
  commit();
  now += 60_000;
  addPod(facts, "b", { node: "weft-2", labels: { app: "b" } });
  addIp(facts, "b.default", {
    podName: "b",
    namespace: "default",
    nodeName: "weft-2",
    subnet: "ovn-default",
    v4: "10.16.0.3",
    v6: "fd00:10:16::3",
  });
  now += 100;
  commit();
  now += 60_000;
  addNetworkPolicy(facts, "closed", { podSelector: { matchLabels: { app: "b" } } });
  now += 100;
  commit();
  await writer?.idle();
  return folder;
}

const at = (text: string): number => parseTime(text) ?? Number.NaN;
const ask = async (options: object) => replayCommand(await folder, { commits: 5, ...options });
const folder = recording();

t.test("without a time it shows the period of the recording, and the replicas that made it", async (t) => {
  const { text, ok } = await ask({});
  t.match(text, /^Recorded from 2026-01-31T12:00:00.000Z to 2026-01-31T12:02:00.200Z\./);
  t.match(text, /controller-1 +\d+ KiB/);
  t.ok(ok);
});

t.test(
  "at a time it shows the facts that the controller had received, its transactions, and their causes",
  async (t) => {
    const { text, ok } = await ask({ at: at("2026-01-31T12:01:30Z"), only: "default/b", check: true });
    t.ok(ok, text);
    t.match(text, /^State at 2026-01-31T12:01:30.000Z, as recorded by controller-1/);
    t.match(text, /2026-01-31T12:01:00.100Z, \d+ operations\n {2}pod:default\/b, because of\n/);
    t.match(text, / {4}2026-01-31T12:01:00.000Z pods default\/b new\n/);
    t.match(text, / {4}2026-01-31T12:01:00.000Z ips b.default new\n/);
    t.match(text, / {2}\+ Logical_Switch_Port b.default/);
    t.match(text, /Facts of that name:\n {2}pods default\/b \{.*"uid":"uid-b"/);
    t.notMatch(text, /networkPolicies/, "what came later is not known");
    t.match(text, /The rows that follow from the facts are those that were committed\./);
  },
);

t.test("at a time before an object was created there is nothing about it", async (t) => {
  const { text } = await ask({ at: at("2026-01-31T12:00:30Z"), only: "default/b" });
  t.match(text, /No such fact\.\n\nNo such row\.\n\nNo transaction before\./);
});

t.test("between two times it shows the changed facts, the lost connections, and the changed rows", async (t) => {
  const { text } = await ask({ at: at("2026-01-31T12:01:30Z"), until: at("2026-01-31T12:03:00Z"), allRows: true });
  t.match(text, /\+ networkPolicies default\/closed/);
  t.match(text, /- +default\/a → default\/b +loses/);
  t.match(text, /Northbound rows:\n(.|\n)*\+ ACL np\/default\/closed/);
});

t.test(
  "all rows are lines, the same whenever they are asked for, and --check says whether they were committed",
  async (t) => {
    const one = await ask({ rows: true, check: true });
    t.ok(one.ok);
    t.equal((await ask({ rows: true })).text, one.text);
    t.match(one.text, new RegExp(`^Logical_Switch_Port .*b.default.*${PORT}|^Logical_Switch_Port .*"b.default"`, "m"));
    const between = await ask({ at: at("2026-01-31T12:01:00.050Z"), check: true });
    t.notOk(between.ok, "the pod was known, and its port was not there yet");
    t.match(between.text, /differ:\n {2}> /);
  },
);

t.test("a time before the recording, or a folder without one, is an error", async (t) => {
  await t.rejects(ask({ at: at("2026-01-31T11:00:00Z") }), { code: "out-of-range" });
  await t.rejects(replayCommand(tmpdir(), { commits: 5 }), { code: "empty" });
  const backwards = { at: at("2026-01-31T12:02:00Z"), until: at("2026-01-31T12:01:00Z") };
  await t.rejects(ask(backwards), { code: "out-of-range", message: "--until is before --at" });
});
