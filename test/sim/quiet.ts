// SPDX-License-Identifier: Apache-2.0

import type { Scheduler } from "./scheduler.ts";

/** Reports each time when nothing has happened for a while. */
export class Quiet {
  readonly #scheduler: Scheduler;
  readonly #ms: number;
  readonly #onQuiet: () => void;
  #last = 0;
  #waiting = false;

  constructor(scheduler: Scheduler, ms: number, onQuiet: () => void) {
    this.#scheduler = scheduler;
    this.#ms = ms;
    this.#onQuiet = onQuiet;
  }

  /** To be called when something has happened. */
  disturbed(): void {
    this.#last = this.#scheduler.elapsed;
    if (!this.#waiting) this.#wait(this.#ms);
  }

  #wait(ms: number): void {
    this.#waiting = true;
    this.#scheduler.after(ms, () => {
      const left = this.#last + this.#ms - this.#scheduler.elapsed;
      if (left > 0) return this.#wait(left);
      this.#waiting = false;
      this.#onQuiet();
    });
  }
}
