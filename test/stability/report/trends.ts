// SPDX-License-Identifier: Apache-2.0

import { formatTable } from "../../../src/cli/table.ts";
import { differ, type Estimate } from "../measure/interval.ts";
import type { TaskResult } from "./result.ts";
import { cellOf, shownEstimate } from "./table.ts";

/** One measure of one load of one run, over the results of a store. */
export interface Trend {
  /** The task's title: runs of several tasks may have one name. */
  readonly task: string;
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
  const trends = new Map<string, Omit<Trend, "points" | "change"> & { points: Trend["points"][number][] }>();
  for (const result of results.toSorted((a, b) => (a.started < b.started ? -1 : 1))) {
    for (const run of result.runs) {
      for (const load of new Set(run.repeats.flatMap((repeat) => repeat.loads.map(({ name }) => name)))) {
        const cell = cellOf(run, load);
        for (const measure of measures) {
          const estimate = cell.measures[measure];
          if (estimate === undefined) continue;
          const key = JSON.stringify([result.title, run.name, load, measure]);
          const trend = trends.get(key) ?? { task: result.title, run: run.name, load, measure, points: [] };
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

/**
 * Trends as text: a table for each task, with a column for each of its `last` newest results, the newest last. Times are in UTC. Measures that were zero each time,
 * which most are, are only counted.
 */
export function trendsText(trends: readonly Trend[], last: number): string {
  if (trends.length === 0) return "no results are stored that have these measures";
  return [...Map.groupBy(trends, ({ task }) => task)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([task, of]) => tableOfTask(task, of, last))
    .join("\n");
}

function tableOfTask(task: string, trends: readonly Trend[], last: number): string {
  const all = new Set(trends.flatMap(({ points }) => points.map(({ started }) => started)));
  const columns = [...all].sort().slice(-last);
  let zero = 0;
  const rows: string[][] = [];
  for (const { run, load, measure, points, change } of trends) {
    const cells = columns.map((column) => points.find(({ started }) => started === column)?.estimate);
    if (cells.every((cell) => cell === undefined)) continue;
    const shown = cells.map((cell) => (cell === undefined ? "-" : shownEstimate(cell)));
    if (cells.every((cell) => cell === undefined || cell.mean === 0)) zero += 1;
    else rows.push([run, load, measure, ...shown, change]);
  }
  const dates = columns.map((started) => started.slice(0, 16).replace("T", " "));
  const table = formatTable(["RUN", "LOAD", "MEASURE", ...dates, "CHANGE"], rows);
  return `${task}\n${table}${zero === 0 ? "" : `${zero} other measures were 0 each time.\n`}`;
}
