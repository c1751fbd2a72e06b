// SPDX-License-Identifier: Apache-2.0

import type { Scheduler } from "./scheduler.ts";
import type { ClockAction } from "./script.ts";

/** The machine of the API server. */
export const API_SERVER = "api";

/** The wall clocks of machines: each replica's, each node's, and the API server's ({@link API_SERVER}). All are right at first. */
export class MachineClocks {
  readonly #scheduler: Scheduler;
  /** Machine → by how many ms its clock is ahead. */
  readonly #ahead = new Map<string, number>();
  #earliest = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** The time of day on a machine, in ms since the epoch. */
  wall(machine: string): number {
    return this.#scheduler.now() + (this.#ahead.get(machine) ?? 0);
  }

  /** By how many ms a clock was behind at most. */
  get mostBehind(): number {
    return -this.#earliest;
  }

  /** Sets a clock, and sets it right again if the action says when. */
  act({ machine, by, for: ms }: ClockAction): void {
    this.#jump(machine, by);
    if (ms !== undefined) this.#scheduler.after(ms, () => this.#jump(machine, -by));
  }

  #jump(machine: string, by: number): void {
    const ahead = (this.#ahead.get(machine) ?? 0) + by;
    this.#ahead.set(machine, ahead);
    this.#earliest = Math.min(this.#earliest, ahead);
    this.#scheduler.note(`the clock of ${machine} is ${ahead} ms ahead`);
  }
}
