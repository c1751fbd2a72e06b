/** For tests: a clock that stands still until it is told to go on. */
export function manualClock() {
  let now = 0;
  const timers = new Set<{ at: number; run: () => void }>();
  return {
    pending: () => timers.size,
    clock: {
      now: () => now,
      after: (ms: number, run: () => void) => {
        const timer = { at: now + ms, run };
        timers.add(timer);
        return () => void timers.delete(timer);
      },
    },
    pass(ms: number) {
      const end = now + ms;
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        now = next.at;
        next.run();
      }
      now = end;
    },
  };
}
