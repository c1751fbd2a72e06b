// SPDX-License-Identifier: Apache-2.0

/**
 * Numbers of addresses in statuses, which for an IPv6 subnet exceed what JSON parsers represent exactly.
 *
 * Kube-OVN writes them as JSON numbers of any size. The API server turns those of 2^63 and more into floating point, so
 * a /64 would never be exact, and JavaScript does so from 2^53 on. Kube-OVN's own type takes decimal strings as well
 * (`pkg/internal/big_int.go`), so large counts are strings here, and small ones are numbers as usual.
 */

/** A count in a status: a number up to `Number.MAX_SAFE_INTEGER`, a decimal string beyond. */
export type Count = number | string;

/** The count as it goes into a status. `value` must not be negative. */
export function writeCount(value: bigint): Count {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}
