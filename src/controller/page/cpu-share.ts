// SPDX-License-Identifier: Apache-2.0

import { getOrAdd } from "../../collections/get-or-add.ts";
import type { Clock } from "../../time/clock.ts";

/** After each piece of work the event loop is free for so many times as long as it took. */
const REST = 2;

/**
 * Runs work for the page in a third of the event loop's time at most, so that the controller decides in time however much is asked. Accounts take turns. Its callers bound how much waits.
 */
export class CpuShare {
  readonly #clock: Pick<Clock, "now" | "after">;
  /** Account → what waits; the first is next. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #resting = false;

  constructor(clock: Pick<Clock, "now" | "after">) {
    this.#clock = clock;
  }

  /** Runs `work`, at once if nothing else was run lately. Rejects with what it throws. */
  async run<T>(account: string, work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    getOrAdd(this.#waiting, account, () => []).push(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    });
    if (!this.#resting) this.#next();
    return await promise;
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const [account, [work, ...more]] = first;
    this.#waiting.delete(account);
    if (more.length > 0) this.#waiting.set(account, more);
    const began = this.#clock.now();
    work?.();
    this.#resting = true;
    this.#clock.after((this.#clock.now() - began) * REST, () => {
      this.#resting = false;
      this.#next();
    });
  }
}
