// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../../src/time/clock.ts";

/** The iterations that a runner drives. */
export interface Iterations {
  readonly clock: Clock;
  /** In [0, 1), from the task's seed. */
  readonly random: () => number;
  /** Aborted when the run ends early; a runner then begins no further iteration. */
  readonly signal: AbortSignal;
  /** Runs the next iteration to its end; never rejects. */
  next(): Promise<void>;
  /** Records that an iteration was due but not begun, because too many ran already. */
  skip(): void;
  /** Whether the load is still needed: faults last, or have just ended. Time-based runners continue that long. */
  wanted(): boolean;
}

/** When iterations are begun, and how many at once. */
export interface Runner {
  /** The minimum duration in seconds, if it is an option. A hook by time must fire before that. */
  readonly seconds?: number;
  /** The number of iterations, if it is an option. A hook by iteration must fire before that. */
  readonly iterations?: number;
  /** Resolves when all iterations have ended. */
  run(iterations: Iterations): Promise<void>;
}

/** Maximum number of parallel iterations. */
export const MAX_CONCURRENCY = 200;
/** Maximum duration of a run in seconds, which bounds its record. */
export const MAX_SECONDS = 3_600;
