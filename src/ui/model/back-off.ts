// SPDX-License-Identifier: Apache-2.0

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/**
 * How long to wait before an attempt to connect again, in ms: doubled each time up to 30 s, and between a half and the whole of that, so that not all pages
 * come back at once. `failures`: in a row, at least 1. `chance`: from 0 to 1.
 */
export function backOff(failures: number, chance: number): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return Math.round(longest * (0.5 + chance / 2));
}
