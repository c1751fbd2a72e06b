// SPDX-License-Identifier: Apache-2.0

import { backoffDelay } from "../time/backoff.ts";

/** When a repair counts as one of a row with the one before it, and how the pauses between such repairs grow. Milliseconds. */
export interface ContentionLimits {
  /** This many repairs of one object in a row are made at once. */
  readonly patience: number;
  /** The first pause after that; it doubles … */
  readonly firstPauseMs: number;
  /** … up to this one. */
  readonly maxPauseMs: number;
  /** A row ends when an object has been left alone for this long after the pause. */
  readonly calmMs: number;
}

const DEFAULT_LIMITS: ContentionLimits = { patience: 4, firstPauseMs: 1_000, maxPauseMs: 60_000, calmMs: 60_000 };
/** Objects that are remembered: far more than a node has of ours at one time, and a bound where names change. */
const REMEMBERED = 4_096;

/** How often in a row an object has been restored, this time included, and the pause before the next time. */
export interface ContendedObject {
  readonly times: number;
  readonly pauseMs: number;
}

/**
 * Detects contention. What another program removes once is restored at once; what it removes repeatedly is restored after pauses that
 * grow, because two programs that revert each other's changes at full speed cost the node more than either setting is worth.
 */
export class NodeContention {
  readonly #limits: ContentionLimits;
  readonly #rows = new Map<string, { times: number; pauseMs: number; lastMs: number }>();

  constructor(limits: Partial<ContentionLimits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /** An object was restored at `nowMs`, of a monotonic clock. */
  note(thing: string, nowMs: number): ContendedObject {
    const { patience, firstPauseMs: firstMs, maxPauseMs: maxMs, calmMs } = this.#limits;
    const before = this.#rows.get(thing);
    const goesOn = before !== undefined && nowMs - before.lastMs <= before.pauseMs + calmMs;
    const times = goesOn ? before.times + 1 : 1;
    const pauseMs = times < patience ? 0 : backoffDelay(times - patience + 1, { firstMs, maxMs });
    // Newest last, so that the oldest goes first.
    this.#rows.delete(thing);
    this.#rows.set(thing, { times, pauseMs, lastMs: nowMs });
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size <= REMEMBERED) break;
      this.#rows.delete(oldest);
    }
    return { times, pauseMs };
  }
}
