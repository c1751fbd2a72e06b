// SPDX-License-Identifier: Apache-2.0

import { retryDelay } from "../time/backoff.ts";
import type { Timers } from "../time/clock.ts";

interface Failing {
  attempts: number;
  /** Whether it may be retried now. */
  due: boolean;
  cancel: () => void;
}

/**
 * Units that the database refuses, each with a pause before its next attempt that doubles. They are kept when leadership is lost, because one of them
 * may have been the reason; the pauses start again with the next term.
 */
export class UnitBackoff {
  readonly #timers: Timers;
  readonly #onDue: () => void;
  readonly #units = new Map<string, Failing>();
  #running = false;

  /** `onDue` is called when a pause is over. */
  constructor(timers: Timers, onDue: () => void) {
    this.#timers = timers;
    this.#onDue = onDue;
  }

  /** The number of failing units. */
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

  /** A unit has failed, for the first time or again. */
  add(unit: string): void {
    const former = this.#units.get(unit);
    former?.cancel();
    const failing: Failing = { attempts: (former?.attempts ?? 0) + 1, due: false, cancel: () => undefined };
    this.#units.set(unit, failing);
    if (this.#running) this.#arm(failing);
  }

  /** The unit has a new version: it is retried at once. */
  hurry(unit: string): void {
    const failing = this.#units.get(unit);
    if (failing !== undefined) failing.due = true;
  }

  /** The unit has been written. */
  delete(unit: string): void {
    this.#units.get(unit)?.cancel();
    this.#units.delete(unit);
  }

  /** Starts the timers, each pause from its beginning. */
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
