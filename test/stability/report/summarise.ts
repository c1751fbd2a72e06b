// SPDX-License-Identifier: Apache-2.0

import { mean } from "../measure/interval.ts";
import { measure } from "../measure/measures.ts";
import type { LoadRecord, Sample } from "../measure/samples.ts";
import type { LoadPlan } from "../task/task.ts";
import type { LoadResult } from "./result.ts";

/** Number of intervals of a chart: more would not be visible. */
const BUCKETS = 240;
/** Number of different reasons of failures that are kept. */
const ERRORS = 10;

/**
 * The summary of a load: its measures, its verdicts, and a series for charts. `begun` is when the load began, on the
 * run's clock.
 */
export function summarise(plan: LoadPlan, record: LoadRecord, begun: number): LoadResult {
  const { samples, skipped } = record;
  const measures = measure(record);
  return {
    name: plan.name,
    iterations: samples.length,
    failed: samples.filter(({ ok }) => !ok).length,
    skipped,
    measures,
    actions: actionsOf(samples),
    series: seriesOf(samples, begun),
    errors: errorsOf(samples),
    slas: plan.slas.map(({ bound }) => bound.judge(measures, record)),
  };
}

function actionsOf(samples: readonly Sample[]): LoadResult["actions"] {
  const all = Map.groupBy(
    samples.flatMap(({ actions }) => actions),
    ({ name }) => name,
  );
  return Object.fromEntries(
    [...all].map(([name, of]) => {
      const times = of.map(({ ms }) => ms);
      const failed = of.filter(({ ok }) => !ok).length;
      return [name, { count: of.length, failed, meanMs: mean(times), maxMs: largest(times) }];
    }),
  );
}

/** Iterations by intervals of at least 50 ms; intervals in which none began are left out. */
export function seriesOf(samples: readonly Sample[], begun: number): LoadResult["series"] {
  const last = samples.at(-1);
  if (last === undefined) return [];
  const width = Math.max(50, (last.at - begun) / BUCKETS);
  const pieces = Map.groupBy(samples, ({ at }) => Math.floor((at - begun) / width));
  return [...pieces].map(([piece, of]) => {
    const times = of.filter(({ ok }) => ok).map(({ ms }) => ms);
    return {
      at: piece * width,
      count: of.length,
      failed: of.length - times.length,
      meanMs: times.length === 0 ? 0 : mean(times),
      maxMs: largest(times),
    };
  });
}

function errorsOf(samples: readonly Sample[]): LoadResult["errors"] {
  const counts = new Map<string, number>();
  for (const { error } of samples) if (error !== undefined) counts.set(error, (counts.get(error) ?? 0) + 1);
  return [...counts]
    .map(([text, count]) => ({ text, count }))
    .sort((a, b) => b.count - a.count)
    .slice(0, ERRORS);
}

function largest(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0);
}
