// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../time/clock.ts";

/** A state that changes at once or after a delay, unless the change is cancelled before. */
export class SettlingState<S> {
  readonly #clock: Pick<Clock, "after">;
  readonly #onChange: (state: S) => void;
  #current: S;
  #next: { readonly state: S; readonly cancel: () => void } | undefined;

  /** `onChange` is called for every {@link set} and for every change that a timer makes. */
  constructor(initial: S, clock: Pick<Clock, "after">, onChange: (state: S) => void) {
    this.#current = initial;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  get current(): S {
    return this.#current;
  }

  /** Changes to a state now. */
  set(state: S): void {
    this.stay();
    this.#current = state;
    this.#onChange(state);
  }

  /** Changes to a state after `ms`. The timer of a pending change to the same state continues; a pending change to another one is cancelled. */
  setAfter(ms: number, state: S): void {
    if (this.#next?.state === state) return;
    this.stay();
    this.#next = { state, cancel: this.#clock.after(ms, () => this.set(state)) };
  }

  /** Cancels a pending change. */
  stay(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }
}
