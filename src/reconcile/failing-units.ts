// SPDX-License-Identifier: Apache-2.0

import { retryDelay } from "../time/backoff.ts";
import type { Timers } from "../time/clock.ts";

interface Failing {
  attempts: number;
  /** Whether its next try may be made. */
  due: boolean;
  cancel: () => void;
}

/**
 * Units that the database refuses or cannot hold, each with a pause before its next try that doubles from try to try. They are remembered
 * over a loss of the lead, for one of them may have been the reason; the pauses start over with the next term.
 */
export class FailingUnits {
  readonly #timers: Timers;
  readonly #onDue: () => void;
  readonly #units = new Map<string, Failing>();
  #running = false;

  /** `onDue` is called when a pause is over. */
  constructor(timers: Timers, onDue: () => void) {
    this.#timers = timers;
    this.#onDue = onDue;
  }

  /** How many there are. */
  get size(): number {
    return this.#units.size;
  }

  has(unit: string): boolean {
    return this.#units.has(unit);
  }

  /** Whether a unit may be written now: it has not failed, or its pause is over. */
  isReady(unit: string): boolean {
    return this.#units.get(unit)?.due !== false;
  }

  /** A unit has failed, once more perhaps. */
  add(unit: string): void {
    const former = this.#units.get(unit);
    former?.cancel();
    const failing: Failing = { attempts: (former?.attempts ?? 0) + 1, due: false, cancel: () => undefined };
    this.#units.set(unit, failing);
    if (this.#running) this.#arm(failing);
  }

  /** A new version of the unit deserves a try at once. */
  hurry(unit: string): void {
    const failing = this.#units.get(unit);
    if (failing !== undefined) failing.due = true;
  }

  /** The unit has been written. */
  delete(unit: string): void {
    this.#units.get(unit)?.cancel();
    this.#units.delete(unit);
  }

  /** Lets time run, from the beginning of each pause. */
  start(): void {
    this.#running = true;
    for (const failing of this.#units.values()) if (!failing.due) this.#arm(failing);
  }

  stop(): void {
    this.#running = false;
    for (const failing of this.#units.values()) failing.cancel();
  }

  #arm(failing: Failing): void {
    failing.cancel = this.#timers.after(retryDelay(failing.attempts), () => {
      failing.due = true;
      this.#onDue();
    });
  }
}
