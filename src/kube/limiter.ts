// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "./errors.ts";

/** Limits how many calls run at once, and how many wait. */
export interface Limiter {
  /**
   * Runs `work` when a slot is free. Rejects with `overloaded` at once if too many calls wait already. `leave`, if
   * given, gets a function that removes the call from the queue; it has no effect once the work has begun.
   */
  run<T>(work: () => Promise<T>, leave?: (cancel: (reason: KubeError) => void) => void): Promise<T>;
  readonly running: number;
  readonly waiting: number;
}

/** A first-come, first-served {@link Limiter}. */
export function limiter(maxRunning: number, maxWaiting: number): Limiter {
  let running = 0;
  /** The waiting calls, in order: each → its start. A set, so that one in the middle can be removed cheaply. */
  const waiting = new Set<() => void>();
  const release = (): void => {
    running -= 1;
    for (const start of waiting) {
      start();
      break;
    }
  };
  return {
    async run(work, leave) {
      if (running >= maxRunning) {
        if (waiting.size >= maxWaiting) {
          throw new KubeError("overloaded", `${running} calls are running and ${waiting.size} are waiting`);
        }
        await new Promise<void>((resolve, reject) => {
          const start = (): void => {
            waiting.delete(start);
            running += 1;
            resolve();
          };
          waiting.add(start);
          leave?.((reason) => {
            if (waiting.delete(start)) reject(reason);
          });
        });
      } else {
        running += 1;
      }
      try {
        return await work();
      } finally {
        release();
      }
    },
    get running() {
      return running;
    },
    get waiting() {
      return waiting.size;
    },
  };
}
