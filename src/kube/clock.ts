/** Time as this folder sees it, so that tests can hold it still. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `run` once after `ms` milliseconds; the function returned cancels that, at any time and any number of times. */
  after(ms: number, run: () => void): () => void;
}

/** The real clock. Its timers keep the process alive: a controller that only waits to try again has not finished. */
export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** A clock for tests that moves only when told to. */
export interface ManualClock extends Clock {
  /** Moves the time forward and runs what has become due, in order, with a turn of the event loop after each. */
  advance(ms: number): Promise<void>;
  /** How many timers are set: 0 after everything was stopped. */
  readonly pending: number;
}

/** A {@link ManualClock} that starts at `start` (milliseconds since the epoch). */
export function manualClock(start = Date.UTC(2025, 0, 1)): ManualClock {
  let now = start;
  const timers = new Set<{ at: number; run: () => void }>();
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + Math.ceil(ms), run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const until = now + ms;
      await turn();
      for (;;) {
        let next: { at: number; run: () => void } | undefined;
        for (const timer of timers) if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer;
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.run();
        await turn();
      }
      now = until;
    },
    get pending() {
      return timers.size;
    },
  };
}
