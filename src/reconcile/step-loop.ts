// SPDX-License-Identifier: Apache-2.0

import type { Timers } from "../time/clock.ts";

/** What {@link StepLoop} runs. */
export interface StepLoopOptions {
  readonly timers: Timers;
  /** Does one batch. Resolves with the pause before the next one, in ms, or with `undefined` if there was nothing to do. */
  readonly step: () => Promise<number | undefined>;
  /** Whether a step would find something to do. */
  readonly hasWork: () => boolean;
  /** A step has thrown; the loop ends until it is kicked again. */
  readonly onError: (error: unknown) => void;
}

/** Runs one step at a time while it is active and there is work. */
export class StepLoop {
  readonly #options: StepLoopOptions;
  #active = false;
  #busy = false;
  /** Whether there was a `kick` since the current step began: it may have looked before that. */
  #kicked = false;
  /** Ends the current pause. */
  #wake: () => void = () => undefined;
  #idle: (() => void)[] = [];

  constructor(options: StepLoopOptions) {
    this.#options = options;
  }

  /** Whether steps may run. */
  get active(): boolean {
    return this.#active;
  }

  /** Whether no step runs and there is no work. */
  get idle(): boolean {
    return !this.#busy && !this.#options.hasWork();
  }

  /** Resolves when the loop is next idle. */
  whenIdle(): Promise<void> {
    if (this.idle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Allows steps to run. The first one runs after `kick`. */
  start(): void {
    this.#active = true;
  }

  /** Starts no further step. The current one completes. */
  stop(): void {
    this.#active = false;
    this.#wake();
  }

  /** There may be work. */
  kick(): void {
    this.#kicked = true;
    if (!this.#active || this.#busy) return;
    this.#busy = true;
    // The current task may cause more changes: wait for its end and process them together.
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    try {
      while (this.#active) {
        this.#kicked = false;
        const pause = await this.#options.step();
        if (pause === undefined && !this.#kicked) break;
        if (pause !== undefined && pause > 0) await this.#pause(pause);
      }
    } catch (error) {
      this.#options.onError(error);
    } finally {
      this.#busy = false;
      if (this.idle || !this.#active) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.timers.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
