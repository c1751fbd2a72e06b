// SPDX-License-Identifier: Apache-2.0

/** How pauses between attempts grow, in milliseconds. */
export interface BackoffLimits {
  /** The pause after the first failure; it doubles with each further one … */
  readonly firstMs: number;
  /** … up to this. */
  readonly maxMs: number;
}

/** For internal retries: 0.5 s to a minute. */
const RETRY: BackoffLimits = { firstMs: 500, maxMs: 60_000 };

/** The pause after `failures` failures in a row (1, 2, 3 …), in milliseconds. */
export function backoffDelay(failures: number, { firstMs, maxMs }: BackoffLimits): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
}

/** The pause before an internal retry after `failures` failures in a row: 0.5 s, doubling, at most a minute. In ms. */
export function retryDelay(failures: number): number {
  return backoffDelay(failures, RETRY);
}

/**
 * A pause made shorter by up to a half at random (`random` as in `Clock`), in whole milliseconds: clients that lost the same server do not reconnect
 * in the same millisecond.
 */
export function withJitter(ms: number, random: () => number): number {
  return Math.round(ms * (1 - random() / 2));
}

/** Counts failures in a row for one client, and returns the pause after each: {@link backoffDelay} with jitter. */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: () => number;
  #failures = 0;

  constructor(limits: BackoffLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  /** It failed: the pause before the next attempt, in milliseconds. */
  next(): number {
    return withJitter(backoffDelay(++this.#failures, this.#limits), this.#random);
  }

  /** It succeeded: the next pause is short again. */
  reset(): void {
    this.#failures = 0;
  }
}
