// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../../src/time/clock.ts";

/** Resolves after `ms` milliseconds, or at once when the signal aborts: callers check the signal. */
export function pauseOrAbort(clock: Pick<Clock, "after">, ms: number, signal?: AbortSignal): Promise<void> {
  if (ms <= 0 || signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal?.addEventListener("abort", end);
  });
}
