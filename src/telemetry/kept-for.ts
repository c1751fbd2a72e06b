// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../time/clock.ts";

/**
 * Calls `read` at most once in `ms` and returns the same result meanwhile. All metrics of one scrape are of one moment, and frequent scrapes cost no
 * more than rare ones.
 */
export function keptFor<T>(clock: Pick<Clock, "now">, ms: number, read: () => Promise<T>): () => Promise<T> {
  let kept: { readonly since: number; readonly answer: Promise<T> } | undefined;
  return () => {
    const now = clock.now();
    if (kept === undefined || now - kept.since >= ms) kept = { since: now, answer: read() };
    return kept.answer;
  };
}
