// SPDX-License-Identifier: Apache-2.0

import { differ, type Estimate } from "../measure/interval.ts";
import type { TaskResult } from "./result.ts";
import { cellOf, shownEstimate } from "./table.ts";

/** One measure of one load of one run, over the results of a store. */
export interface Trend {
  readonly run: string;
  readonly load: string;
  readonly measure: string;
  readonly points: readonly { readonly started: string; readonly estimate: Estimate }[];
  /** How the last differs from the one before it: `unknown` if there are too few repeats. */
  readonly change: "higher" | "lower" | "same" | "unknown";
}

/**
 * How measures changed over earlier results. Durations of different days are not comparable as such (machines are noisy): figures relative to
 * the baseline of their own run, and counts of failures, are.
 */
export function trendsOf(results: readonly TaskResult[], measures: readonly string[]): readonly Trend[] {
  const trends = new Map<string, { run: string; load: string; measure: string; points: Trend["points"][number][] }>();
  for (const result of results.toSorted((a, b) => (a.started < b.started ? -1 : 1))) {
    for (const run of result.runs) {
      for (const load of new Set(run.repeats.flatMap((repeat) => repeat.loads.map(({ name }) => name)))) {
        const cell = cellOf(run, load);
        for (const measure of measures) {
          const estimate = cell.measures[measure];
          if (estimate === undefined) continue;
          const key = JSON.stringify([run.name, load, measure]);
          const trend = trends.get(key) ?? { run: run.name, load, measure, points: [] };
          trend.points.push({ started: result.started, estimate });
          trends.set(key, trend);
        }
      }
    }
  }
  return [...trends.values()].map((trend) => ({ ...trend, change: changeOf(trend.points) }));
}

function changeOf(points: Trend["points"]): Trend["change"] {
  const [before, last] = [points.at(-2)?.estimate, points.at(-1)?.estimate];
  if (before === undefined || last === undefined) return "unknown";
  const differs = differ(before, last);
  if (differs === undefined) return "unknown";
  if (!differs) return "same";
  return last.mean > before.mean ? "higher" : "lower";
}

/** Trends as lines of text, the newest results last. */
export function trendsText(trends: readonly Trend[], last: number): string {
  if (trends.length === 0) return "no results are stored that have these measures";
  return trends
    .map(({ run, load, measure, points, change }) => {
      const shown = points.slice(-last).map(({ estimate }) => shownEstimate(estimate));
      return `${run} · ${load} · ${measure}: ${shown.join(" → ")} [${change}]`;
    })
    .join("\n");
}
