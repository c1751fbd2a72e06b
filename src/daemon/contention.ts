// SPDX-License-Identifier: Apache-2.0

import { setNewest } from "../collections/newest.ts";
import { backoffDelay } from "../time/backoff.ts";

/** When restores of one object count as contention, and how the pauses between them grow. Milliseconds. */
export interface ContentionLimits {
  /** This many consecutive restores of one object are made at once. */
  readonly patience: number;
  /** The first pause after that; it doubles … */
  readonly firstPauseMs: number;
  /** … up to this one. */
  readonly maxPauseMs: number;
  /** The count starts again when an object has not been changed for this long after the pause. */
  readonly calmMs: number;
}

const DEFAULT_LIMITS: ContentionLimits = { patience: 4, firstPauseMs: 1_000, maxPauseMs: 60_000, calmMs: 60_000 };
/** Objects that are tracked: far more than Weft has on a node at one time, and a bound if names change. */
const REMEMBERED = 4_096;

/** How often an object has been restored consecutively, including this time, and the pause before the next time. */
export interface ContendedObject {
  readonly times: number;
  readonly pauseMs: number;
}

/**
 * Detects contention with another program. An object that another program removes once is restored at once. An object
 * that is removed repeatedly is restored after growing pauses, because two programs that revert each other's changes
 * at full speed cost more than either setting is worth.
 */
export class NodeContention {
  readonly #limits: ContentionLimits;
  readonly #rows = new Map<string, { times: number; pauseMs: number; lastMs: number }>();

  constructor(limits: Partial<ContentionLimits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /** An object was restored at `nowMs` of a monotonic clock. */
  note(thing: string, nowMs: number): ContendedObject {
    const { patience, firstPauseMs: firstMs, maxPauseMs: maxMs, calmMs } = this.#limits;
    const before = this.#rows.get(thing);
    const goesOn = before !== undefined && nowMs - before.lastMs <= before.pauseMs + calmMs;
    const times = goesOn ? before.times + 1 : 1;
    const pauseMs = times < patience ? 0 : backoffDelay(times - patience + 1, { firstMs, maxMs });
    setNewest(this.#rows, thing, { times, pauseMs, lastMs: nowMs }, REMEMBERED);
    return { times, pauseMs };
  }
}
