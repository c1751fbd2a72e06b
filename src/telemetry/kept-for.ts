// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../time/clock.ts";

/**
 * `read`, at most once in `ms`: who asks meanwhile gets the same answer. So all metrics of one scrape are of one moment, and a Prometheus that scrapes
 * too often costs no more than one that does not.
 */
export function keptFor<T>(clock: Pick<Clock, "now">, ms: number, read: () => Promise<T>): () => Promise<T> {
  let kept: { readonly since: number; readonly answer: Promise<T> } | undefined;
  return () => {
    const now = clock.now();
    if (kept === undefined || now - kept.since >= ms) kept = { since: now, answer: read() };
    return kept.answer;
  };
}
