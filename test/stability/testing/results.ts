// SPDX-License-Identifier: Apache-2.0

import type { LoadResult, RepeatResult, TaskResult } from "../report/result.ts";

/** A load of a repeat, for tests of reports. */
export function aLoad(measures: LoadResult["measures"], more: Partial<LoadResult> = {}): LoadResult {
  const series = [0, 100, 200].map((at) => ({ at, count: 2, failed: at === 100 ? 1 : 0, meanMs: 2, maxMs: 5 }));
  return {
    ...{ name: "ping", iterations: 6, failed: 1, skipped: 0, measures, actions: {}, series, errors: [], slas: [] },
    ...more,
  };
}

/** A repeat with one load. */
export function aRepeat(load: LoadResult, more: Partial<RepeatResult> = {}): RepeatResult {
  const faults = [{ name: "kill daemon", hit: "daemon on <n1>", begun: 100, ended: 150 }];
  return {
    ...{ outcome: "passed", problems: [], faults, stalls: [], seconds: 2, loads: [load], verdicts: [] },
    ...more,
  };
}

/** A result of one run. */
export function aResult(repeats: readonly RepeatResult[], more: Partial<TaskResult> = {}): TaskResult {
  return {
    version: 1,
    title: "Tests & trials",
    target: "fake",
    seed: 1,
    started: "2025-01-01T00:00:00Z",
    seconds: 4,
    outcome: "passed",
    runs: [{ name: "daemon is killed", faults: ["kill daemon"], repeats: [...repeats] }],
    ...more,
  };
}
