const FIRST_MS = 100;

/**
 * The pause before round `attempt` (0, 1, 2 …) of trying to connect, in milliseconds: twice as long each time up to `maxMs`, less up to
 * half at random, so that clients which lost one server do not come back in step.
 */
export function backoffDelay(attempt: number, maxMs: number, random: () => number): number {
  return Math.round(longestDelay(attempt, maxMs) * (1 - random() / 2));
}

/** The same before chance shortens it. */
export function longestDelay(attempt: number, maxMs: number): number {
  return Math.min(maxMs, FIRST_MS * 2 ** Math.min(attempt, 30));
}
