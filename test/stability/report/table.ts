// SPDX-License-Identifier: Apache-2.0

import { type Estimate, estimate } from "../measure/interval.ts";
import { rounded } from "../sla/limit.ts";
import type { RepeatResult, TaskResult, TaskRunResult } from "./result.ts";

/** One cell of the table of scenarios × faults. */
export interface Cell {
  readonly outcome: "passed" | "failed" | "broken" | "none";
  /** The measures over the repeats with a verdict. */
  readonly measures: Readonly<Record<string, Estimate>>;
}

/** The table of a result: a row for each load, a column for each fault. */
export interface ResultTable {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly load: string; readonly cells: readonly Cell[] }[];
}

/** The title of a run's column: its faults, or its name if it has none. */
export function columnName({ name, faults }: TaskRunResult): string {
  return faults.length === 0 ? name : faults.join(" + ");
}

/** Converts a result to a table. Runs with the same faults are in one column, unless they have a load in common: then their names are the titles. */
export function tableOf({ runs }: TaskResult): ResultTable {
  const groups = [...Map.groupBy(runs, columnName)].flatMap(([name, of]) => {
    const all = of.flatMap(loadsOf);
    if (new Set(all).size === all.length) return [{ name, of }];
    return of.map((run) => ({ name: run.name, of: [run] }));
  });
  const loads = [...new Set(runs.flatMap(loadsOf))];
  return {
    columns: groups.map(({ name }) => name),
    rows: loads.map((load) => ({
      load,
      cells: groups.flatMap(({ of: [first, ...more] }) => {
        if (first === undefined) return [];
        return [cellOf([first, ...more].find((run) => loadsOf(run).includes(load)) ?? first, load)];
      }),
    })),
  };
}

function loadsOf({ repeats }: TaskRunResult): readonly string[] {
  return [...new Set(repeats.flatMap(({ loads }) => loads.map(({ name }) => name)))];
}

/** The estimates of one load of a run over its repeats. */
export function cellOf({ repeats }: TaskRunResult, load: string): Cell {
  const found = repeats.flatMap((repeat) => {
    const one = repeat.loads.find(({ name }) => name === load);
    return one === undefined ? [] : [{ repeat, one }];
  });
  if (found.length === 0)
    return { outcome: repeats.some(({ outcome }) => outcome === "broken") ? "broken" : "none", measures: {} };
  const names = new Set(found.flatMap(({ one }) => Object.keys(one.measures)));
  const measures: Record<string, Estimate> = {};
  for (const name of names) {
    const values = found.flatMap(({ one }) => one.measures[name] ?? []);
    // This is the only measure that is a difference.
    const of = name === "degradation" ? estimate(values) : estimate(values, 0);
    if (of !== undefined) measures[name] = of;
  }
  const failed = found.some(({ one }) => one.slas.some(({ outcome }) => outcome === "failed"));
  const broken = found.some(({ repeat }) => repeat.outcome === "broken");
  return { outcome: broken ? "broken" : failed ? "failed" : "passed", measures };
}

/** A mean with its interval: `1.2 (0.9 to 1.5)`. */
export function shownEstimate({ mean, low, high }: Estimate): string {
  if (low === undefined || high === undefined || low === high) return rounded(mean);
  return `${rounded(mean)} (${rounded(low)} to ${rounded(high)})`;
}

/** In parentheses, how busy the machine was; empty where that is not known. */
export function atLoad({ loadAverage }: RepeatResult): string {
  return loadAverage === undefined ? "" : ` (load average ${rounded(loadAverage)})`;
}

/** A stall in words, for the readers of a loss beside it. */
export function stallText({ node, at, ms, computedMs }: RepeatResult["stalls"][number]): string {
  const seconds = (time: number): string => `${rounded(time / 1000)} s`;
  return `ovs-vswitchd on ${node} did not run for ${seconds(ms)} until ${seconds(at)} (it computed for ${seconds(computedMs)})`;
}

/** The result in a few lines, for a terminal. */
export function summaryText(result: TaskResult): string {
  const lines = [`${result.title}: ${result.outcome} (${result.seconds.toFixed(0)} s, target ${result.target})`];
  for (const run of result.runs) {
    const outcomes = run.repeats.map((repeat) => `${repeat.outcome}${atLoad(repeat)}`).join(", ");
    lines.push(`  ${run.name}: ${outcomes === "" ? "not run" : outcomes}`);
    for (const load of loadsOf(run)) {
      const { measures } = cellOf(run, load);
      const shown = [
        "failures",
        "longest_gap",
        "recovery",
        "first_success",
        "first_ready",
        "baseline",
        "relative_degradation",
      ]
        .flatMap((name) => {
          const of = measures[name];
          return of === undefined ? [] : [`${name} ${shownEstimate(of)}`];
        })
        .join(", ");
      lines.push(`    ${load}: ${shown}`);
    }
    for (const repeat of run.repeats) {
      const verdicts = [
        ...repeat.verdicts,
        ...repeat.loads.flatMap(({ name, slas }) => slas.map((sla) => ({ ...sla, text: `${name}: ${sla.text}` }))),
      ];
      for (const { outcome, text, name } of verdicts)
        if (outcome === "failed") lines.push(`    FAILED ${name}: ${text}`);
      for (const stall of repeat.stalls) lines.push(`    ${stallText(stall)}`);
      for (const { code, text } of repeat.problems) lines.push(`    BROKEN ${code}: ${text}`);
    }
  }
  return lines.join("\n");
}
