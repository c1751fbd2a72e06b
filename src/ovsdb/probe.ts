// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../time/clock.ts";

/** What a probe does. */
export interface ProbeActions {
  /** Asks the peer for a sign of life. */
  ask(): void;
  /** The peer has been silent for `ms` although it was asked. Called once; the probe has stopped. */
  silent(ms: number): void;
}

/**
 * Notices a peer that has gone silent without closing the connection: stopped, cut off, or gone with its machine. It is asked after
 * `interval` ms of silence and given up after as much again. A timer runs once an interval, not once a message.
 */
export class Probe {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #actions: ProbeActions;
  #heardAt: number;
  #asked = false;
  /** It has been asked out of turn, and has little time. */
  #urged = false;
  #cancel: () => void = () => {};

  constructor(clock: Clock, interval: number, actions: ProbeActions) {
    this.#clock = clock;
    this.#interval = interval;
    this.#actions = actions;
    this.#heardAt = clock.now();
    this.#arm(interval);
  }

  /** The peer has sent something, be it what it may. */
  heard(): void {
    this.#heardAt = this.#clock.now();
    this.#asked = false;
    this.#urged = false;
  }

  /** Asks at once: there is reason to believe that the peer is gone. It is given up after `ms` without a word. */
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
      // It was this process that stood still, and what the peer sent meanwhile has not been read yet.
      this.#arm(this.#interval / 2);
    } else {
      this.#asked = true;
      this.#arm(this.#interval);
      this.#actions.ask();
    }
  }
}
