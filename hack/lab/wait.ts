// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "./error.ts";

/**
 * Waits until `probe` returns a value, for conditions without an event (a foreign server that is starting, a process
 * that is not a child). Tries at once, then every `everyMs` (25 by default). Rejects with LabError `timed-out` after
 * `deadlineMs`; `probe` may throw to give up.
 */
export async function until<T>(
  what: string,
  deadlineMs: number,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  everyMs = 25,
): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() >= deadline)
      throw new LabError("timed-out", `${what}: timed out after ${Math.round(deadlineMs / 1000)} s`);
    await delay(everyMs);
  }
}
