// SPDX-License-Identifier: Apache-2.0

/** From this share of used addresses on, a subnet is nearly full: on the web page, in `weftctl diagnose`, and in the alert of `charts/weft/monitoring`. */
export const NEARLY_FULL = 0.9;

/** The used share of a subnet's addresses of one family, from 0 to 1. */
export function usedShare(used: number, free: number): number {
  return used + free === 0 ? 0 : used / (used + free);
}
