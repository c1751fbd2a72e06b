// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";

/** Time and randomness of a process, passed in so that tests and simulations control them. */
export interface Clock {
  /** Milliseconds since an arbitrary moment. Monotonic: for durations and deadlines. */
  now(): number;
  /** Milliseconds since the epoch by the machine's clock: for logs, statuses and other machines. */
  wall(): number;
  /** Calls `run` once after `ms` milliseconds; the function returned cancels that, at any time and any number of times. */
  after(ms: number, run: () => void): () => void;
  /** In [0, 1). */
  random(): number;
  /** A new random UUID. */
  uuid(): string;
}

/** The part of a clock with timers. */
export type Timers = Pick<Clock, "after">;

/** The machine's. Its timers keep the process alive: a controller that only waits for a retry has not finished. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  uuid: () => randomUUID(),
};
