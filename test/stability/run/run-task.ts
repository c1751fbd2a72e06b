// SPDX-License-Identifier: Apache-2.0

import { loadavg } from "node:os";
import { formatTime } from "../../../src/time/rfc3339.ts";
import { Random } from "../../sim/random.ts";
import { StabilityError } from "../errors.ts";
import type { RepeatResult, TaskResult, TaskRunResult } from "../report/result.ts";
import type { Target } from "../targets/target.ts";
import type { Task } from "../task/task.ts";
import { type RunWith, runOnce } from "./run-once.ts";

/** The requirements of a task that its target does not support: a line for each. Before anything is run. */
export function unsupported(task: Task, target: Target): readonly string[] {
  return task.runs.flatMap(({ name, contexts, loads, hooks, verifiers }) => {
    const wants = [
      ...contexts.map((one) => ({ who: `context ${one.name}`, needs: one.bound.needs })),
      ...loads.map((one) => ({ who: one.name, needs: one.scenario.needs })),
      ...hooks.map(({ fault }) => ({ who: fault.shown, needs: fault.needs })),
      ...verifiers.map((one) => ({ who: one.name, needs: one.bound.needs })),
    ];
    return wants.flatMap(({ who, needs }) =>
      needs.flatMap((need) => {
        const why = target.lacks(need);
        return why === undefined
          ? []
          : [`${name}: ${who} needs ${need}, which target ${target.name} cannot do: ${why}`];
      }),
    );
  });
}

/**
 * Runs all runs of a task, one after the other, and each as often as it says. Rejects only with StabilityError `unsupported`, before anything was done.
 * After the target has died, or if something could not be cleaned up, no further run begins.
 */
export async function runTask(task: Task, using: Omit<RunWith, "random">): Promise<TaskResult> {
  const { target, clock, signal, log } = using;
  const lacking = unsupported(task, target);
  if (lacking.length > 0) throw new StabilityError("unsupported", lacking.join("\n"));
  const since = clock.now();
  const started = formatTime(clock.wall());
  const runs: TaskRunResult[] = [];
  let stop = false;
  for (const [n, run] of task.runs.entries()) {
    const repeats: RepeatResult[] = [];
    for (let repeat = 0; repeat < run.repeat && !stop && !signal.aborted; repeat++) {
      const times = run.repeat > 1 ? ` (${repeat + 1} of ${run.repeat})` : "";
      log(`run ${n + 1} of ${task.runs.length}: ${run.name}${times}`);
      const random = new Random(`${task.seed}/${n}/${repeat}`);
      const result = await runOnce(run, { ...using, random: () => random.next() });
      repeats.push({ ...result, loadAverage: loadavg()[0] });
      log([`${run.name}: ${result.outcome}`, ...faultsOf(result)].join("; "));
      stop = result.problems.some(({ code }) => code === "target-lost" || code === "cleanup");
    }
    runs.push({ name: run.name, faults: run.hooks.map(({ fault }) => fault.shown), repeats });
  }
  return {
    version: 1,
    title: task.title,
    target: target.name,
    seed: task.seed,
    started,
    seconds: (clock.now() - since) / 1000,
    outcome: signal.aborted ? "interrupted" : outcomeOf(task, runs),
    runs,
  };
}

/** Why a repeat has not passed. */
function faultsOf({ problems, verdicts, loads }: RepeatResult): readonly string[] {
  const judged = [
    ...verdicts,
    ...loads.flatMap(({ name, slas }) => slas.map((sla) => ({ ...sla, name, text: `${name}: ${sla.text}` }))),
  ];
  return [...problems, ...judged.filter(({ outcome }) => outcome === "failed")].map(({ text }) => text);
}

function outcomeOf(task: Task, runs: readonly TaskRunResult[]): TaskResult["outcome"] {
  const repeats = runs.flatMap((run) => run.repeats);
  const wanted = task.runs.reduce((sum, { repeat }) => sum + repeat, 0);
  if (repeats.length < wanted || repeats.some(({ outcome }) => outcome === "broken")) return "broken";
  return repeats.some(({ outcome }) => outcome === "failed") ? "failed" : "passed";
}
