// SPDX-License-Identifier: Apache-2.0

import { isFault, isInterference } from "./generate.ts";
import { violationKind } from "./minimise.ts";
import { isRandomFault } from "./random-faults.ts";
import type { RunOutcome } from "./run.ts";
import type { Action, ActionName, Script } from "./script.ts";

/** Results of many runs. */
export class SimulationTally {
  /** Action or fault → number of times. */
  readonly counts = new Map<string, number>();
  readonly failed: RunOutcome[] = [];
  runs = 0;
  events = 0;
  /** Simulated ms. */
  simulated = 0;

  add(outcome: RunOutcome): void {
    this.runs++;
    this.events += outcome.events;
    this.simulated += outcome.simulated;
    if (outcome.violations.length > 0) this.failed.push(outcome);
    for (const [name, times] of Object.entries(outcome.counts)) {
      this.counts.set(name, (this.counts.get(name) ?? 0) + times);
    }
  }

  /** Kinds of violation → the seeds that found them. */
  kinds(): ReadonlyMap<string, readonly string[]> {
    const kinds = new Map<string, string[]>();
    for (const { seed, violations } of this.failed) {
      const [first] = violations;
      if (first === undefined) continue;
      const kind = violationKind(first);
      kinds.set(kind, [...(kinds.get(kind) ?? []), seed]);
    }
    return kinds;
  }
}

/** How often each fault and action occurred, as a table in parts, the most frequent first. */
export function injectedTable(counts: ReadonlyMap<string, number>): string {
  const partOf = (name: string): string => {
    if (isRandomFault(name) || isFault(name as ActionName)) return "faults";
    if (isInterference(name as ActionName)) return "changes by other clients";
    // Names of actions are single words; those of results have several.
    return name.includes(" ") ? "results" : "changes by users";
  };
  const parts = Map.groupBy(counts, ([name]) => partOf(name));
  const lines = [...parts].flatMap(([title, rows]) => [
    `  ${title}:`,
    ...rows.sort(([, a], [, b]) => b - a).map(([name, times]) => `${String(times).padStart(12)}  ${name}`),
  ]);
  return lines.join("\n");
}

/** The failure of a run, and how to repeat it. */
export function outcomeText({ seed, hash, violations }: RunOutcome, hint: string): string {
  return [
    `seed ${seed} fails (hash ${hash}):`,
    ...violations.map((what) => `    ${what}`),
    `    repeat it: ${hint}`,
  ].join("\n");
}

/** A script as text: a line for each action. */
export function scriptText({ seed, replicas, cidrs, actions, length }: Script): string {
  const action = ({ at, do: name, ...rest }: Action): string => {
    const details = Object.entries(rest).map(
      ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
    return `  ${(at / 1_000).toFixed(3).padStart(8)} s  ${name} ${details.join(" ")}`.trimEnd();
  };
  const head = `seed ${seed}, replicas ${replicas}, ${cidrs.defaultCidr}, nodes ${cidrs.nodeSwitchCidr}, ${actions.length} actions in ${length / 1_000} s`;
  return [head, ...actions.map(action)].join("\n");
}
