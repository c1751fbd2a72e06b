// SPDX-License-Identifier: Apache-2.0

import { backoffDelay, withJitter } from "../../time/backoff.ts";

const LIMITS = { firstMs: 1_000, maxMs: 30_000 };

/**
 * How long to wait before an attempt to connect again, in ms: doubled each time up to 30 s, and between a half and the whole of that, so that not all pages
 * come back at once. `failures`: in a row, at least 1. `chance`: from 0 to 1.
 */
export function backOff(failures: number, chance: number): number {
  return withJitter(backoffDelay(failures, LIMITS), () => 1 - chance);
}
