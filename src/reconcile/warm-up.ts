// SPDX-License-Identifier: Apache-2.0

import type { Timers } from "../time/clock.ts";

/** Units processed in one part, and the pause before the next part, in ms: the leader may run on the same machine. */
const PART = { units: 50, pauseMs: 10 } as const;

/** What {@link WarmUp} works on. */
export interface WarmUpOptions {
  readonly timers: Timers;
  /** Whether the engine writes; then warming up is not needed. */
  readonly isActive: () => boolean;
  /** Whether units are to be compiled. */
  readonly isDirty: () => boolean;
  /** Compiles the next dirty unit and returns its id. */
  readonly compileNext: () => string | undefined;
  /** Compares a unit with the database, and forgets what is pending for it if there is no difference. */
  readonly compare: (unit: string) => void;
}

/** Keeps a standby's units compiled and compared with the database, in small parts, so that little is left to do when it becomes the leader. */
export class WarmUp {
  readonly #options: WarmUpOptions;
  /** Units to be compared; `undefined` while it is stopped. */
  #units: Set<string> | undefined;
  #scheduled = false;

  constructor(options: WarmUpOptions) {
    this.#options = options;
  }

  /** Begins, with nothing to compare. */
  start(): void {
    this.#units = new Set();
    this.schedule();
  }

  /** Ends and forgets which units were to be compared. */
  stop(): void {
    this.#units = undefined;
  }

  /** The database has changed for a unit; `schedule` is to follow. */
  add(unit: string): void {
    this.#units?.add(unit);
  }

  /** Runs the next part after a pause, if there is one. */
  schedule(): void {
    const { timers, isActive, isDirty } = this.#options;
    if (isActive() || this.#scheduled || this.#units === undefined) return;
    if (this.#units.size === 0 && !isDirty()) return;
    this.#scheduled = true;
    timers.after(PART.pauseMs, () => {
      this.#scheduled = false;
      if (!isActive()) this.#runPart();
      this.schedule();
    });
  }

  #runPart(): void {
    const { compileNext, compare } = this.#options;
    const units = this.#units ?? new Set();
    for (let i = 0; i < PART.units; i++) {
      const unit = compileNext();
      if (unit === undefined) break;
      units.add(unit);
    }
    let left: number = PART.units;
    for (const unit of units) {
      if (left-- === 0) break;
      units.delete(unit);
      compare(unit);
    }
  }
}
