const FIRST_MS = 100;

/**
 * The pause before round `attempt` (0, 1, 2 …) of trying to connect, in milliseconds: twice as long each time up to `maxMs`, less up to
 * half at random, so that clients which lost one server do not come back in step.
 */
export function backoffDelay(attempt: number, maxMs: number, random: () => number): number {
  const full = Math.min(maxMs, FIRST_MS * 2 ** Math.min(attempt, 30));
  return Math.round(full * (1 - random() / 2));
}
