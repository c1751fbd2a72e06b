// SPDX-License-Identifier: Apache-2.0

import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";

/** A deadline in messages, for example `30 s`. */
export function secondsText(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

/**
 * Runs `work` with a signal that fires with `outer`, or after `ms` milliseconds. If the work fails after that
 * deadline and not because of `outer`, it rejects with the error that `late` returns.
 */
export async function withDeadline<R>(
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<R>,
  late: () => Error,
  clock: Pick<Clock, "after"> = SYSTEM_CLOCK,
): Promise<R> {
  const deadline = new AbortController();
  // Not AbortSignal.timeout: its timer cannot be cleared, and a busy node would hold hundreds of them.
  const cancel = clock.after(ms, () => deadline.abort());
  try {
    return await work(AbortSignal.any([outer, deadline.signal]));
  } catch (thrown) {
    throw deadline.signal.aborted && !outer.aborted ? late() : thrown;
  } finally {
    cancel();
  }
}
