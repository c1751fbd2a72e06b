// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";

/** A boolean condition that callers can await. */
export class Gate {
  #open = false;
  #closed: OvsdbError | undefined;
  readonly #waiting = new Set<{ readonly resolve: () => void; readonly reject: (error: OvsdbError) => void }>();

  get open(): boolean {
    return this.#open;
  }

  /** Resolves when the gate is or becomes open. Rejects OvsdbError `abandoned` by the signal, or the error given to `close`. */
  wait(signal?: AbortSignal): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(abandoned(signal));
    if (this.#open) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        if (signal !== undefined) reject(abandoned(signal));
      };
      const settled = (): void => signal?.removeEventListener("abort", onAbort);
      const waiter = {
        resolve: () => {
          settled();
          resolve();
        },
        reject: (error: OvsdbError) => {
          settled();
          reject(error);
        },
      };
      this.#waiting.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Opens or shuts the gate; returns whether that was a change. */
  set(open: boolean): boolean {
    if (this.#closed !== undefined || open === this.#open) return false;
    this.#open = open;
    if (open) this.#release((waiter) => waiter.resolve());
    return true;
  }

  /** Shuts the gate permanently. */
  close(error: OvsdbError): void {
    if (this.#closed !== undefined) return;
    this.#open = false;
    this.#closed = error;
    this.#release((waiter) => waiter.reject(error));
  }

  #release(settle: (waiter: { resolve: () => void; reject: (error: OvsdbError) => void }) => void): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiting) settle(waiter);
  }
}

/** The rejection of a promise whose signal fired. */
export function abandoned(signal: AbortSignal): OvsdbError {
  return new OvsdbError("abandoned", "abandoned by the caller", { cause: signal.reason });
}
