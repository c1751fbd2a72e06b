// SPDX-License-Identifier: Apache-2.0

import { type RunOutcome, runScript, type SimulationOptions } from "./run.ts";
import type { Action, Script } from "./script.ts";

/** A shortened script that fails, and how it fails. */
export interface Minimised {
  readonly script: Script;
  readonly outcome: RunOutcome;
  /** The number of runs that were needed. */
  readonly runs: number;
}

/** The kind of a violation, independent of its pod and address. */
export function violationKind(violation: string): string {
  return violation
    .replace(/^after \d+ ms: (at rest, |after a restart, )?/, "")
    .replace(/\(.*\)/g, "")
    .replace(/\b\S*[\d.:/]\S*\b|"[^"]*"/g, "_")
    .replace(/(_[\s,]*)+/g, "_ ")
    .trim();
}

/**
 * Shortens a failing script by delta debugging: smaller and smaller parts of its actions are left out, as long as it still fails in
 * the same way. Random choices depend on their subject and not on their place in the run, so the remaining actions
 * happen much as before. Stops after `budget` runs.
 */
export async function minimise(
  script: Script,
  outcome: RunOutcome,
  options: SimulationOptions = {},
  budget = 200,
): Promise<Minimised> {
  const kinds = new Set(outcome.violations.slice(0, 1).map(violationKind));
  let best: Minimised = { script, outcome, runs: 0 };
  let runs = 0;
  const attempt = async (candidate: Script): Promise<boolean> => {
    runs++;
    const result = await runScript(candidate, options);
    if (!result.violations.some((violation) => kinds.has(violationKind(violation)))) return false;
    best = { script: candidate, outcome: result, runs };
    return true;
  };
  for (let size = Math.ceil(script.actions.length / 2); size >= 1 && runs < budget; ) {
    let shorter = false;
    for (let from = 0; from < best.script.actions.length && runs < budget; ) {
      const { actions } = best.script;
      const left: readonly Action[] = [...actions.slice(0, from), ...actions.slice(from + size)];
      if (left.length < actions.length && (await attempt({ ...best.script, actions: left }))) shorter = true;
      else from += size;
    }
    if (size === 1 && !shorter) break;
    size = shorter && size === 1 ? 1 : Math.max(1, Math.floor(size / 2));
  }
  // Fewer replicas and a shorter run are easier to read as well.
  while (best.script.replicas > 1 && runs < budget) {
    if (!(await attempt({ ...best.script, replicas: best.script.replicas - 1 }))) break;
  }
  return { ...best, runs };
}
