/** Time and chance, handed in so that tests can do without them. */
export interface Clock {
  /** Milliseconds from some fixed moment; never goes back. */
  now(): number;
  /** Calls `action` once after `ms`; returns what cancels it. */
  after(ms: number, action: () => void): () => void;
  /** In [0, 1). */
  random(): number;
}

/** The clock of the process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
