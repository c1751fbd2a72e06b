// SPDX-License-Identifier: Apache-2.0

/** Packets a second that are logged where what a policy says of that cannot be read. */
export const DEFAULT_LOG_RATE = 100;

/** What a rate may be at most (ovn-nb(5), Meter_Band `rate`). */
const MAX_RATE = 4_294_967_295;

/** A number of packets a second, 0 for no limit; nothing where the text is none. */
export function readLogRate(text: string): number | undefined {
  const rate = /^[0-9]{1,10}$/.test(text.trim()) ? Number(text) : Number.NaN;
  return rate <= MAX_RATE ? rate : undefined;
}
