/** The clock as what tries again needs it, so that tests and simulations can own it. */
export interface Timers {
  /** Calls `callback` once after `ms` milliseconds; the returned function cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** The machine's own clock. Its timers keep no process alive. */
export const systemTimers: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Delay before attempt `n` (from 1) of something that failed: 0.5 s, doubling, at most a minute. In ms. */
export function retryDelay(n: number): number {
  return Math.min(60_000, 500 * 2 ** (n - 1));
}
