/** How long to wait before trying again. */
export interface Backoff {
  /** The next pause in milliseconds: grows with every call. */
  next(): number;
  /** What was tried has worked: the next pause is short again. */
  reset(): void;
}

/** Limits of a {@link Backoff}, in milliseconds. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Exponential pauses with jitter: the n-th lies between half and all of `firstMs · 2ⁿ`, at most `maxMs`. Without the jitter all
 * daemons of a cluster would come back to a restarted API server in the same millisecond.
 */
export function jitteredBackoff(limits: BackoffLimits, random: () => number = Math.random): Backoff {
  let ceiling = limits.firstMs;
  return {
    next() {
      const pause = Math.round(ceiling * (0.5 + random() / 2));
      ceiling = Math.min(ceiling * 2, limits.maxMs);
      return Math.min(pause, limits.maxMs);
    },
    reset() {
      ceiling = limits.firstMs;
    },
  };
}
