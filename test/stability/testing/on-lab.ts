// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { ROOT } from "../../../hack/build/npm.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { SYSTEM_CLOCK } from "../../../src/time/clock.ts";
import { withoutRestarts } from "../../e2e/testing/pods.ts";
import { openWorld } from "../../e2e/testing/world.ts";
import { BUILT_IN_PLUGINS } from "../plugins.ts";
import type { TaskResult } from "../report/result.ts";
import { storeResult } from "../report/store.ts";
import { summaryText } from "../report/table.ts";
import { clean } from "../run/clean.ts";
import { UndoJournal } from "../run/journal.ts";
import { runTask } from "../run/run-task.ts";
import { type NamedTarget, openTarget } from "../targets/open-target.ts";
import { loadTask } from "../task/load.ts";

const TASKS = join(import.meta.dirname, "../tasks");
/** Where `npm run stability -- trends` looks. */
const RESULTS = join(ROOT, "dist/stability/results");

/**
 * Runs a task of `test/stability/tasks` on the lab, or on another target, and asserts that it has a verdict, that its verifiers pass, and that its reports are written, where `trends` reads them. Its
 * limits (SLA) are reported and not asserted: with the userspace datapath, a busy machine loses datagrams and time without a fault.
 */
export async function testTask(
  t: Test,
  name: string,
  variables: Readonly<Record<string, unknown>> = {},
  on: NamedTarget = { name: "lab", options: null },
): Promise<TaskResult> {
  const file = join(TASKS, name);
  const task = loadTask(file, readFileSync(file, "utf8"), variables, BUILT_IN_PLUGINS);
  const log = (message: string): void => t.comment(message);
  // In the lab's folder, which outlives a killed test; and before any request to parts that such a test may have stopped.
  const journal = new UndoJournal(join(openLab().paths.state, "stability-journal.jsonl"));
  await clean(journal, BUILT_IN_PLUGINS.targets, log);
  const world = await openWorld(t);
  // kubelet restarts a container at once only the first time.
  await withoutRestarts(world, "kube-ovn-controller");
  for (const node of world.lab.nodes) await withoutRestarts(world, "kube-ovn-cni", node);
  const target = await openTarget(BUILT_IN_PLUGINS.targets, on);
  t.teardown(() => target.close());
  journal.begin(on);
  const { signal } = new AbortController();
  const result = await runTask(task, { target, clock: SYSTEM_CLOCK, journal, signal, log });
  journal.end();
  t.comment(summaryText(result));
  for (const path of storeResult(RESULTS, result, BUILT_IN_PLUGINS.reports))
    t.not(readFileSync(path, "utf8"), "", "a report");
  for (const { name: run, repeats } of result.runs) {
    for (const { problems, verdicts } of repeats) {
      t.same(problems, [], `${run} could be judged`);
      for (const { name: what, outcome, text } of verdicts) t.equal(outcome, "passed", `${run}: ${what}: ${text}`);
    }
  }
  return result;
}
