// SPDX-License-Identifier: Apache-2.0

import type { Timers } from "../time/clock.ts";

/** The outcome of `promise`, or a rejection with the signal's reason if that comes first. What `promise` does later is ignored. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined);
    throw signal.reason;
  }
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Resolves after `ms`; rejects with the signal's reason if that comes first. */
export async function pause(clock: Timers, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  try {
    await untilAborted(promise, signal);
  } finally {
    cancel();
  }
}
