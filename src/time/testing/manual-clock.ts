// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../clock.ts";

/** What `wall` says at the beginning. */
const EPOCH = Date.UTC(2025, 0, 1);

/** A clock that advances only on request. `now` begins with 0, `wall` with 2025. */
export class ManualClock implements Clock {
  #now = 0;
  #uuids = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();
  /** What `random` returns. */
  chance = 0;

  now(): number {
    return this.#now;
  }

  wall(): number {
    return EPOCH + this.#now;
  }

  random(): number {
    return this.chance;
  }

  uuid(): string {
    return `00000000-0000-4000-8000-${String(++this.#uuids).padStart(12, "0")}`;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.ceil(ms), run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** How many timers are set: 0 after everything was stopped. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass at once; timers that fall due on the way are called at their time, in order. */
  pass(ms: number): void {
    const end = this.#now + ms;
    while (this.#runNext(end));
    this.#now = end;
  }

  /** The same, with a turn of the event loop before the first timer and after each. */
  async advance(ms: number): Promise<void> {
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const end = this.#now + ms;
    await turn();
    while (this.#runNext(end)) await turn();
    this.#now = end;
  }

  /** As if the process stood still for `ms`: timers fall due late, all at the end. */
  stall(ms: number): void {
    this.#now += ms;
    this.pass(0);
  }

  /** Runs the first timer that is due by `end`; false where there is none. */
  #runNext(end: number): boolean {
    let next: { readonly at: number; readonly run: () => void } | undefined;
    for (const timer of this.#timers) if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#now = Math.max(this.#now, next.at);
    next.run();
    return true;
  }
}
