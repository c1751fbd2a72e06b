// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";

/** Verdicts of SLAs and verifiers. */
const verdict = z.object({
  name: z.string(),
  outcome: z.enum(["passed", "failed", "unmeasurable"]),
  text: z.string(),
});

/** Iterations that began within one interval: its time in ms from the beginning of the load; their number; failures; and durations. */
const bucket = z.object({
  at: z.number(),
  count: z.int(),
  failed: z.int(),
  meanMs: z.number(),
  maxMs: z.number(),
});

const loadResult = z.object({
  name: z.string(),
  iterations: z.int(),
  failed: z.int(),
  skipped: z.int(),
  /** See `measure/measures.ts`. */
  measures: z.record(z.string(), z.number()),
  /** Mean duration of each atomic action in ms, and how often it failed. */
  actions: z.record(z.string(), z.object({ count: z.int(), failed: z.int(), meanMs: z.number(), maxMs: z.number() })),
  series: z.array(bucket),
  /** The most frequent reasons of failed iterations. */
  errors: z.array(z.object({ text: z.string(), count: z.int() })),
  slas: z.array(verdict),
});

const repeatResult = z.object({
  /** `broken`: it has no verdict, or could not be cleaned up. */
  outcome: z.enum(["passed", "failed", "broken"]),
  problems: z.array(z.object({ code: z.string(), text: z.string() })),
  /** ms from the beginning of the load. */
  faults: z.array(z.object({ name: z.string(), hit: z.string(), begun: z.number(), ended: z.number() })),
  /** See `measure/stalls.ts`. Earlier results lack them. */
  stalls: z.array(z.object({ node: z.string(), at: z.number(), ms: z.number(), computedMs: z.number() })).default([]),
  seconds: z.number(),
  /** Load average of one minute, at its end, of the machine that ran the task: other machines and times are hardly comparable. Earlier results lack it. */
  loadAverage: z.number().optional(),
  loads: z.array(loadResult),
  verdicts: z.array(verdict),
});

const runResult = z.object({
  name: z.string(),
  /** The faults of the run as in the task. */
  faults: z.array(z.string()),
  repeats: z.array(repeatResult),
});

/** A task's result, as it is stored: the schema of `result.json`. */
export const TASK_RESULT = z.object({
  version: z.literal(1),
  title: z.string(),
  target: z.string(),
  seed: z.int(),
  /** RFC 3339. */
  started: z.string(),
  seconds: z.number(),
  outcome: z.enum(["passed", "failed", "broken", "interrupted"]),
  runs: z.array(runResult),
});

/** See {@link TASK_RESULT}. */
export type TaskResult = z.output<typeof TASK_RESULT>;
/** One run of a task. */
export type TaskRunResult = TaskResult["runs"][number];
/** One repeat of a run. */
export type RepeatResult = TaskRunResult["repeats"][number];
/** One load of a repeat. */
export type LoadResult = RepeatResult["loads"][number];
