// SPDX-License-Identifier: Apache-2.0

/**
 * How far an address or a route reaches (rtnetlink(7), linux/rtnetlink.h RT_SCOPE_*). The kernel allows numbers between
 * these; nobody uses them, and they read as the next wider one.
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
