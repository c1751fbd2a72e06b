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
  /** Says that an iteration was due and was not begun, because too many ran already. */
  skip(): void;
  /** Whether the load is still wanted: faults are not over, or have just ended. Runners by time go on as long. */
  wanted(): boolean;
}

/** When iterations are begun, and how many at once. */
export interface Runner {
  /** How long it runs at least, in seconds, where that is its option. A hook by time must come before. */
  readonly seconds?: number;
  /** How many iterations it makes, where that is its option. A hook by iteration must come before. */
  readonly iterations?: number;
  /** Resolves when all iterations have ended. */
  run(iterations: Iterations): Promise<void>;
}

/** Iterations at once, at most. */
export const MAX_CONCURRENCY = 200;
/** Seconds of one run, at most: what is recorded is bounded by that. */
export const MAX_SECONDS = 3_600;
