import type { Clock } from "../clock.ts";

/** A clock that goes on only when told to. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly action: () => void }>();
  /** What `random` returns. */
  chance = 0;

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, action: () => void): () => void {
    const timer = { at: this.#now + ms, action };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Number of timers that are to come. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass; timers that fall due on the way are called at their time, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.action();
    }
    this.#now = end;
  }

  /** As if the process stood still for `ms`: timers fall due late, all at the end. */
  stall(ms: number): void {
    this.#now += ms;
    this.advance(0);
  }
}
