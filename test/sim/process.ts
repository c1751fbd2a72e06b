// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../src/time/clock.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/**
 * A process of the simulated cluster: events reach it only while it is alive, and wait while it is stopped
 * (SIGSTOP, swapping, a migrating virtual machine). Once dead it never acts again, although its code is still
 * in memory: its requests have no effect.
 */
export class SimProcess {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #started: number;
  readonly #wall: () => number;
  #alive = true;
  /** Events that arrived while the process was stopped; undefined while it runs. */
  #waiting: (() => void)[] | undefined;
  /** The end of the process, and the number of events before it. */
  #end: { left: number; readonly die: () => void } | undefined;

  readonly #onUncaught: (error: unknown) => void;

  /** `onUncaught`: called with uncaught exceptions of the process. `wall`: the time of day on its machine. */
  constructor(
    scheduler: Scheduler,
    name: string,
    random: Random,
    onUncaught: (error: unknown) => void = rethrow,
    wall: () => number = scheduler.now,
  ) {
    this.#scheduler = scheduler;
    this.#started = scheduler.now();
    this.name = name;
    this.#random = random;
    this.#onUncaught = onUncaught;
    this.#wall = wall;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#waiting !== undefined;
  }

  /** Time and random numbers of this process. */
  readonly clock: Clock = {
    // As in a real process it is unrelated to the time of day: code that confuses the two fails.
    now: (): number => this.#scheduler.now() - this.#started,
    wall: (): number => this.#wall(),
    after: (ms: number, run: () => void): (() => void) => {
      let cancelled = false;
      const cancel = this.#scheduler.after(ms, () =>
        this.deliver(() => {
          if (!cancelled) run();
        }),
      );
      return () => {
        cancelled = true;
        cancel();
      };
    },
    random: (): number => this.#random.next(),
    uuid: (): string => uuidOf(this.#random),
  };

  /** Delivers an event to the process: now, when it continues, or never. */
  deliver(run: () => void): void {
    if (!this.#alive) return;
    if (this.#waiting !== undefined) {
      this.#waiting.push(run);
      return;
    }
    try {
      run();
    } catch (error) {
      this.#onUncaught(error);
    }
    const end = this.#end;
    if (end === undefined || --end.left > 0) return;
    this.#end = undefined;
    end.die();
  }

  /** Calls `die` after this number of further events, before the consequences of the last one. */
  endAfter(deliveries: number, die: () => void): void {
    this.#end = { left: deliveries, die };
  }

  pause(): void {
    this.#waiting ??= [];
  }

  /** Waiting events happen at once, in order, each as a separate event. */
  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const run of waiting) this.#scheduler.after(0, () => this.deliver(run));
  }

  kill(): void {
    this.#alive = false;
    this.#waiting = undefined;
  }
}

function rethrow(error: unknown): never {
  throw error;
}

function uuidOf(random: Random): string {
  const hex = Array.from({ length: 8 }, () => random.int(0, 0xffff).toString(16).padStart(4, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
