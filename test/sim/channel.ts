// SPDX-License-Identifier: Apache-2.0

import type { Scheduler } from "./scheduler.ts";

/** One direction of one connection: messages are delayed, and never overtake one another. */
export class Channel {
  readonly #scheduler: Scheduler;
  readonly #delay: () => number;
  #last = 0;
  #open = true;
  /** Messages that arrive while the network is partitioned; undefined while it is not. */
  #held: (() => void)[] | undefined;

  /** `delay`: of the next message, in ms. */
  constructor(scheduler: Scheduler, delay: () => number) {
    this.#scheduler = scheduler;
    this.#delay = delay;
  }

  /** Sends a message; `arrive` is called when it arrives. */
  send(arrive: () => void): void {
    const at = Math.max(this.#last, this.#scheduler.now() + this.#delay());
    this.#last = at;
    this.#scheduler.after(at - this.#scheduler.now(), () => {
      if (!this.#open) return;
      if (this.#held !== undefined) this.#held.push(arrive);
      else arrive();
    });
  }

  /** No message arrives until `release`, but none is lost, as with TCP. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const arrive of held) this.#scheduler.after(0, () => this.#open && arrive());
  }

  /** Pending messages are lost, and everything after them. */
  close(): void {
    this.#open = false;
  }
}
