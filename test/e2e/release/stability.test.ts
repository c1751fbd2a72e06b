// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t from "tap";
import { run } from "../../../hack/host/run.ts";
import { SYSTEM_CLOCK } from "../../../src/time/clock.ts";
import { PLUGINS } from "../../stability/plugins.ts";
import { storeResult } from "../../stability/report/store.ts";
import { Journal } from "../../stability/run/journal.ts";
import { runTask } from "../../stability/run/run-task.ts";
import { openLabTarget } from "../../stability/targets/lab/lab-target.ts";
import { loadTask } from "../../stability/task/load.ts";
import { whyNoLab } from "../testing/world.ts";

const STABILITY = join(import.meta.dirname, "../../stability");
const TASK = join(STABILITY, "tasks/minutes.yaml");

// How much is lost meanwhile is told and not asserted: with the data path in userspace, a machine that is busy with other things loses datagrams by itself.
t.test(
  "parts are killed under load, and nothing leaks, doubles or stays away",
  { skip: whyNoLab(), timeout: 580_000 },
  async (t) => {
    const task = loadTask(TASK, readFileSync(TASK, "utf8"), {}, PLUGINS);
    const target = await openLabTarget();
    t.teardown(() => target.close());
    const folder = t.testdir();
    const journal = new Journal(join(folder, "journal.jsonl"));
    journal.begin({ name: "lab", options: null });
    const log = (message: string): void => t.comment(message);
    const result = await runTask(task, {
      target,
      clock: SYSTEM_CLOCK,
      journal,
      signal: new AbortController().signal,
      log,
    });
    journal.end();
    storeResult(folder, result, PLUGINS.reports);
    for (const { name, repeats } of result.runs) {
      for (const { problems, verdicts, loads } of repeats) {
        t.same(problems, [], `${name} could be judged`);
        for (const { name: what, outcome, text } of verdicts) t.equal(outcome, "passed", `${name}: ${what}: ${text}`);
        for (const { name: load, slas, measures } of loads)
          for (const { outcome, text } of slas)
            t.comment(
              `${name}: ${load}: ${outcome}: ${text}; ${measures["baseline_failures"]} failed before the fault`,
            );
      }
    }
  },
);

t.test("what a run that was killed has left is undone", { skip: whyNoLab(), timeout: 300_000 }, async (t) => {
  const state = t.testdir();
  const file = join(state, "task.yaml");
  writeFileSync(
    file,
    `title: killed
runs:
  - name: one
    context: { namespace: { name: weft-stability-killed } }
    load: [{ scenario: { pod_churn: }, runner: { constant_for_duration: { seconds: 60 } } }]
    hooks: [{ fault: freeze northd service, at: { seconds: 1 }, for: 60 }]
`,
  );
  const target = await openLabTarget();
  t.teardown(() => target.close());
  const main = join(STABILITY, "main.ts");
  const child = spawn(process.execPath, [main, file, `--state=${state}`], { stdio: ["ignore", "ignore", "pipe"] });
  t.teardown(() => child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stderr })) if (line.includes("northd on")) break;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  await t.rejects(target.converge(2_000), "northd is still stopped");
  const { stderr } = await run(process.execPath, [main, "clean", `--state=${state}`], { timeoutMs: 240_000 });
  t.match(stderr, "an earlier run was killed: undoing 2 steps on target lab");
  await target.converge(30_000);
  t.pass("northd works again");
  const namespaces = await target.kube.list({
    group: "",
    version: "v1",
    plural: "namespaces",
    namespaced: false,
    kind: "Namespace",
  });
  t.notOk(namespaces.items.some(({ metadata }) => metadata.name === "weft-stability-killed"));
});
