// SPDX-License-Identifier: Apache-2.0

import type { RunTrace } from "./trace.ts";

interface Event {
  readonly at: number;
  readonly serial: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** When each run begins, in ms since the epoch. */
export const START_TIME = Date.UTC(2026, 0, 1);

/**
 * The only clock of a simulated run. Everything that takes time is an event: a message in transit, a timer, a user's action. One
 * event runs at a time, and before the next one all its promises have been resolved.
 */
export class Scheduler {
  readonly trace: RunTrace;
  /** ms since the epoch. */
  #now = START_TIME;
  readonly #start = this.#now;
  /** A binary heap: by time, then in the order of scheduling. */
  readonly #heap: Event[] = [];
  #serial = 0;
  #events = 0;

  constructor(trace: RunTrace) {
    this.trace = trace;
  }

  now = (): number => this.#now;

  /** ms since the run began. */
  get elapsed(): number {
    return this.#now - this.#start;
  }

  /** How many events have run. */
  get events(): number {
    return this.#events;
  }

  /** Calls `run` after `ms`; the returned function cancels that. */
  after = (ms: number, run: () => void): (() => void) => {
    const event: Event = { at: this.#now + Math.max(0, ms), serial: this.#serial++, run, cancelled: false };
    push(this.#heap, event);
    return () => {
      event.cancelled = true;
    };
  };

  /** Writes a line to the trace. */
  note(text: string): void {
    this.trace.note(this.elapsed, text);
  }

  /** Runs all events until `ms` have passed, or `stop` returns true. */
  async run(ms: number, stop: () => boolean = () => false): Promise<void> {
    const until = this.#now + ms;
    await turn();
    for (let next = this.#heap[0]; next !== undefined && next.at <= until && !stop(); next = this.#heap[0]) {
      pop(this.#heap);
      if (next.cancelled) continue;
      this.#now = next.at;
      this.#events++;
      next.run();
      await turn();
    }
    if (!stop()) this.#now = until;
  }
}

/** One turn of the event loop: all microtasks and ticks, and those that they add, are done when it resolves. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function before(a: Event, b: Event): boolean {
  return a.at === b.at ? a.serial < b.serial : a.at < b.at;
}

function push(heap: Event[], event: Event): void {
  heap.push(event);
  for (let i = heap.length - 1; i > 0; ) {
    const parent = (i - 1) >> 1;
    const [child, above] = [heap[i], heap[parent]];
    if (child === undefined || above === undefined || !before(child, above)) return;
    heap[i] = above;
    heap[parent] = child;
    i = parent;
  }
}

function pop(heap: Event[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  heap[0] = last;
  for (let i = 0; ; ) {
    let least = i;
    for (const child of [2 * i + 1, 2 * i + 2]) {
      const [candidate, current] = [heap[child], heap[least]];
      if (candidate !== undefined && current !== undefined && before(candidate, current)) least = child;
    }
    if (least === i) return;
    [heap[i], heap[least]] = [heap[least] as Event, heap[i] as Event];
    i = least;
  }
}
