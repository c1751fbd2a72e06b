// SPDX-License-Identifier: Apache-2.0

import { quantile } from "../../../hack/bench/statistics.ts";
import { mean } from "./interval.ts";
import type { FaultSpan, LoadRecord, Sample } from "./samples.ts";

/** A period in which no iteration succeeded, in milliseconds of the run's clock. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** One figure of a load. The terms are those of OpenStack's reliability tests (service downtime, MTTR, absolute and relative performance degradation). */
export interface Measure {
  readonly name: string;
  readonly unit: "s" | "ms" | "×" | "%" | "";
  readonly meaning: string;
  /** Whether it is meaningless without a fault. */
  readonly ofFault: boolean;
  /** Undefined if there is nothing to measure. */
  of(view: LoadView): number | undefined;
}

/** A record, divided into the time before the first fault and the time from then on. */
export interface LoadView {
  readonly record: LoadRecord;
  readonly first: FaultSpan | undefined;
  /** When the last fault ended; undefined if there was none. */
  readonly over: number | undefined;
  /** Iterations that ended before the first fault began: the baseline. Without a fault: none. */
  readonly baseline: readonly Sample[];
  /** Iterations that ended after the first fault began; without a fault: all. */
  readonly after: readonly Sample[];
  readonly gaps: readonly Gap[];
}

/** Divides a record for the measures. */
function viewOf(record: LoadRecord): LoadView {
  const first = record.spans.toSorted((a, b) => a.begun - b.begun)[0];
  const over = record.spans.length === 0 ? undefined : Math.max(...record.spans.map(({ ended }) => ended));
  const isBefore = ({ at, ms }: Sample): boolean => first !== undefined && at + ms < first.begun;
  const baseline = record.samples.filter(isBefore);
  const after = record.samples.filter((sample) => !isBefore(sample));
  return { record, first, over, baseline, after, gaps: gapsOf(after) };
}

/** From the beginning of each first iteration that failed to that of the next that did not; to its own end if there is none. */
export function gapsOf(samples: readonly Sample[]): readonly Gap[] {
  const gaps: Gap[] = [];
  let from: number | undefined;
  let last = 0;
  for (const { at, ms, ok } of samples) {
    if (!ok) {
      from ??= at;
      last = Math.max(last, at + ms);
    } else if (from !== undefined) {
      gaps.push({ from, to: at });
      from = undefined;
    }
  }
  if (from !== undefined) gaps.push({ from, to: last });
  return gaps;
}

const lengths = ({ gaps }: LoadView): readonly number[] => gaps.map(({ from, to }) => (to - from) / 1000);
const succeeded = (samples: readonly Sample[]): readonly number[] => samples.filter(({ ok }) => ok).map(({ ms }) => ms);

/** Durations of the successful iterations that began during the fault or a gap after it. */
function duringFault({ first, over, after, gaps }: LoadView): readonly number[] {
  if (first === undefined || over === undefined) return [];
  const end = Math.max(over, gaps.at(-1)?.to ?? 0);
  return succeeded(after.filter(({ at }) => at <= end));
}

function some(values: readonly number[], of: (values: readonly number[]) => number): number | undefined {
  return values.length === 0 ? undefined : of(values);
}

/** When the pod of an iteration was Ready. Actions follow each other. */
function readyAt({ at, actions }: Sample): number | undefined {
  const last = actions.findIndex(({ name, ok }) => name === "ready" && ok);
  return last < 0 ? undefined : actions.slice(0, last + 1).reduce((time, { ms }) => time + ms, at);
}

/** All measures, in the order of reports. */
export const MEASURES: readonly Measure[] = [
  {
    name: "failures",
    unit: "",
    meaning: "iterations that failed after the first fault began (lost packets, failed requests, failed pods)",
    ofFault: false,
    of: ({ after }) => (after.length === 0 ? undefined : after.filter(({ ok }) => !ok).length),
  },
  {
    name: "failure_rate",
    unit: "%",
    meaning: "their share of all iterations from then on",
    ofFault: false,
    of: ({ after }) => (after.length === 0 ? undefined : (100 * after.filter(({ ok }) => !ok).length) / after.length),
  },
  {
    name: "longest_gap",
    unit: "s",
    meaning: "longest service downtime",
    ofFault: false,
    of: (view) => (view.after.length === 0 ? undefined : Math.max(0, ...lengths(view))),
  },
  {
    name: "downtime",
    unit: "s",
    meaning: "total service downtime",
    ofFault: false,
    of: (view) => (view.after.length === 0 ? undefined : lengths(view).reduce((sum, length) => sum + length, 0)),
  },
  {
    name: "mttr",
    unit: "s",
    meaning: "mean time to recovery: the mean length of a downtime",
    ofFault: true,
    of: (view) => (view.first === undefined ? undefined : (some(lengths(view), mean) ?? 0)),
  },
  {
    name: "recovery",
    unit: "s",
    meaning: "recovery period: from the end of the last fault until nothing failed any more",
    ofFault: true,
    of: ({ over, gaps }) => (over === undefined ? undefined : Math.max(0, ((gaps.at(-1)?.to ?? over) - over) / 1000)),
  },
  {
    name: "first_success",
    unit: "s",
    meaning: "from the end of the last fault until the next iteration succeeded",
    ofFault: true,
    of: ({ over, after }) => {
      if (over === undefined) return undefined;
      const ends = after.filter(({ at, ms, ok }) => ok && at + ms >= over).map(({ at, ms }) => (at + ms - over) / 1000);
      return some(ends, (values) => Math.min(...values));
    },
  },
  {
    name: "first_ready",
    unit: "s",
    meaning: "from the end of the last fault until the next pod was Ready (of loads that create pods)",
    ofFault: true,
    of: ({ over, after }) => {
      if (over === undefined) return undefined;
      const ends = after.flatMap((sample) => readyAt(sample) ?? []).filter((end) => end >= over);
      return some(ends, (values) => (Math.min(...values) - over) / 1000);
    },
  },
  {
    name: "baseline",
    unit: "ms",
    meaning: "mean duration of an iteration before the first fault",
    ofFault: true,
    of: ({ baseline }) => some(succeeded(baseline), mean),
  },
  {
    name: "baseline_failures",
    unit: "",
    meaning: "iterations that failed before the first fault: what the cluster or the machine loses by itself",
    ofFault: true,
    of: ({ baseline }) => (baseline.length === 0 ? undefined : baseline.filter(({ ok }) => !ok).length),
  },
  {
    name: "degradation",
    unit: "ms",
    meaning: "absolute performance degradation: how much longer an iteration took on average during the fault",
    ofFault: true,
    of: (view) => {
      const [before, during] = [some(succeeded(view.baseline), mean), some(duringFault(view), mean)];
      return before === undefined || during === undefined ? undefined : during - before;
    },
  },
  {
    name: "relative_degradation",
    unit: "×",
    meaning: "relative performance degradation: how many times as long it took",
    ofFault: true,
    of: (view) => {
      const [before, during] = [some(succeeded(view.baseline), mean), some(duringFault(view), mean)];
      return before === undefined || during === undefined || before === 0 ? undefined : during / before;
    },
  },
  {
    name: "p95",
    unit: "ms",
    meaning: "95 of 100 iterations that succeeded after the first fault began took no longer",
    ofFault: false,
    of: ({ after }) => some(succeeded(after), (values) => quantile(values, 0.95)),
  },
  {
    name: "longest_iteration",
    unit: "s",
    meaning: "the longest iteration of all",
    ofFault: false,
    of: ({ record }) =>
      some(
        record.samples.map(({ ms }) => ms / 1000),
        (values) => values.reduce((a, b) => Math.max(a, b), 0),
      ),
  },
];

/** The measures of a load by name; measures that could not be taken are absent. */
export type Measured = Readonly<Record<string, number>>;

/** Computes all measures. */
export function measure(record: LoadRecord): Measured {
  const view = viewOf(record);
  return Object.fromEntries(
    MEASURES.flatMap(({ name, of }) => {
      const value = of(view);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
