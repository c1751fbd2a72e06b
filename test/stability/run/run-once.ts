// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../../src/time/clock.ts";
import { asStabilityError, StabilityError } from "../errors.ts";
import { stallsSince } from "../measure/stalls.ts";
import type { RepeatResult } from "../report/result.ts";
import { summarise } from "../report/summarise.ts";
import type { Verdict } from "../sla/sla.ts";
import type { Target } from "../targets/target.ts";
import type { RunPlan } from "../task/task.ts";
import type { Verifier } from "../verify/verifier.ts";
import { drive, watchTarget } from "./drive.ts";
import type { UndoJournal } from "./journal.ts";
import type { Stage } from "./stage.ts";
import { undo } from "./undo.ts";

/** Dependencies of a run. */
export interface RunWith {
  readonly target: Target;
  readonly clock: Clock;
  readonly journal: UndoJournal;
  readonly random: () => number;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
  log(message: string): void;
}

type Judge = { readonly when: Verifier["when"]; readonly judge: (stage: Stage) => Promise<readonly Verdict[]> };

/** One repeat of a run: set up, load and faults, verification, cleaning up. Never rejects: errors are in the result. */
export async function runOnce(run: RunPlan, using: RunWith): Promise<RepeatResult> {
  const { target, clock, journal, log } = using;
  const since = clock.now();
  const problems: StabilityError[] = [];
  const verdicts: Verdict[] = [];
  let loads: RepeatResult["loads"] = [];
  let faults: RepeatResult["faults"] = [];
  let stalls: RepeatResult["stalls"] = [];
  const lost = new AbortController();
  const signal = AbortSignal.any([using.signal, lost.signal]);
  const stopWatching = watchTarget(target, clock, (error) => {
    problems.push(asStabilityError("target-lost", "the target died", error));
    lost.abort();
  });
  const stage: Stage = {
    target,
    clock,
    signal,
    random: using.random,
    log,
    made: {},
    record(step) {
      const id = journal.record(step);
      return () => journal.done(id);
    },
  };
  const judges: Judge[] = [];
  try {
    for (const { name, bound } of run.verifiers) {
      const judge = await bound.begin(target, clock).catch((error: unknown) => {
        throw asStabilityError("verify", `${name} could not look at the cluster`, error);
      });
      judges.push({ when: bound.when, judge });
    }
    for (const { name, bound } of run.contexts) {
      if (signal.aborted) break;
      await bound.setUp(stage).catch((error: unknown) => {
        throw asStabilityError("context", `context ${name} could not be set up`, error);
      });
    }
    if (!signal.aborted) {
      const driven = await drive(run, stage);
      problems.push(...driven.problems);
      const { begun } = driven;
      loads = driven.loads.map(({ plan, recorder }) => summarise(plan, recorder.record(driven.spans), begun));
      stalls = [...(await stallsSince(target, clock.wall() - (clock.now() - begun)))];
      faults = driven.spans.map((span) => ({ ...span, begun: span.begun - begun, ended: span.ended - begun }));
    }
    if (!signal.aborted) verdicts.push(...(await judged(judges, "loaded", stage)));
  } catch (error) {
    problems.push(asStabilityError("scenario", run.name, error));
  }
  problems.push(...(await cleanUp(target, journal, log)));
  if (!signal.aborted && problems.length === 0)
    verdicts.push(
      ...(await judged(judges, "cleaned", stage).catch((error: unknown) => {
        problems.push(asStabilityError("verify", run.name, error));
        return [];
      })),
    );
  stopWatching();
  // A dead target is reported as such, not as the first failure that it caused.
  if (problems.length > 0 && !lost.signal.aborted)
    await target.alive().catch((error: unknown) => {
      problems.unshift(asStabilityError("target-lost", "the target died", error));
    });
  if (using.signal.aborted) problems.push(new StabilityError("interrupted", "the run was interrupted"));
  const all = [...verdicts, ...loads.flatMap(({ slas }) => slas)];
  for (const { outcome, text } of all)
    if (outcome === "unmeasurable") problems.push(new StabilityError("unmeasurable", text));
  return {
    outcome: problems.length > 0 ? "broken" : all.some(({ outcome }) => outcome === "failed") ? "failed" : "passed",
    problems: problems.map(({ code, message }) => ({ code, text: message })),
    faults,
    stalls,
    seconds: (clock.now() - since) / 1000,
    loads,
    verdicts,
  };
}

async function judged(judges: readonly Judge[], when: Verifier["when"], stage: Stage): Promise<readonly Verdict[]> {
  const found: Verdict[] = [];
  for (const { when: at, judge } of judges) if (at === when) found.push(...(await judge(stage)));
  return found;
}

/** Undoes all open steps, the last first; a step that fails stays in the journal, and the others are still undone. */
async function cleanUp(
  target: Target,
  journal: UndoJournal,
  log: (message: string) => void,
): Promise<readonly StabilityError[]> {
  const problems: StabilityError[] = [];
  for (const { id, step } of journal.open()) {
    try {
      await undo(target, step);
      journal.done(id);
    } catch (error) {
      const problem = asStabilityError("cleanup", "cleaning up", error);
      log(problem.message);
      problems.push(problem);
    }
  }
  return problems;
}
