// SPDX-License-Identifier: Apache-2.0

/**
 * The scope of an address or a route (rtnetlink(7), linux/rtnetlink.h RT_SCOPE_*). The kernel allows numbers in between;
 * they are not used in practice and read as the next wider scope.
 */
export type Scope = "global" | "site" | "link" | "host" | "nowhere";

/** scope → RT_SCOPE_*, the widest first */
const NUMBERS: Readonly<Record<Scope, number>> = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 };

/** RT_SCOPE_* of a scope. */
export function scopeNumber(scope: Scope): number {
  return NUMBERS[scope];
}

/** The scope of an RT_SCOPE_*. */
export function scopeName(number: number): Scope {
  if (number >= NUMBERS.nowhere) return "nowhere";
  if (number >= NUMBERS.host) return "host";
  if (number >= NUMBERS.link) return "link";
  return number >= NUMBERS.site ? "site" : "global";
}
