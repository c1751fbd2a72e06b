// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../time/clock.ts";

/** Actions of a probe. */
export interface ProbeActions {
  /** Sends an echo request to the peer. */
  ask(): void;
  /** The peer has been silent for `ms` although it was probed. Called once; the probe has stopped. */
  silent(ms: number): void;
}

/**
 * Detects a peer that has become silent without closing the connection: suspended, disconnected, or powered off. It
 * is probed after `interval` ms of silence and given up after the same time again. A timer runs once an interval, not
 * once a message.
 */
export class Probe {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #actions: ProbeActions;
  #heardAt: number;
  #asked = false;
  /** It has been probed out of turn, with a short deadline. */
  #urged = false;
  #cancel: () => void = () => {};

  constructor(clock: Clock, interval: number, actions: ProbeActions) {
    this.#clock = clock;
    this.#interval = interval;
    this.#actions = actions;
    this.#heardAt = clock.now();
    this.#arm(interval);
  }

  /** The peer has sent any message. */
  heard(): void {
    this.#heardAt = this.#clock.now();
    this.#asked = false;
    this.#urged = false;
  }

  /** Probes at once, because the peer may be down. It is given up after `ms` without a message. */
  urge(ms: number): void {
    if (this.#urged) return;
    this.#cancel();
    this.#urged = true;
    this.#asked = true;
    this.#arm(ms);
    this.#actions.ask();
  }

  stop(): void {
    this.#cancel();
  }

  #arm(ms: number): void {
    const due = this.#clock.now() + ms;
    this.#cancel = this.#clock.after(ms, () => this.#check(due));
  }

  #check(due: number): void {
    const now = this.#clock.now();
    const silence = now - this.#heardAt;
    if (silence < this.#interval && !this.#urged) {
      this.#arm(this.#interval - silence);
    } else if (this.#asked && now - due < this.#interval / 2) {
      this.#actions.silent(silence);
    } else if (this.#asked) {
      // This process itself was suspended, and the peer's messages have not been read yet.
      this.#arm(this.#interval / 2);
    } else {
      this.#asked = true;
      this.#arm(this.#interval);
      this.#actions.ask();
    }
  }
}
