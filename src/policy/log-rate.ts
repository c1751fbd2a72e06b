// SPDX-License-Identifier: Apache-2.0

/** The limit of logging in packets per second if a policy's own limit is invalid. */
export const DEFAULT_LOG_RATE = 100;

/** The largest rate (ovn-nb(5), Meter_Band `rate`). */
const MAX_RATE = 4_294_967_295;

/** A rate in packets per second, 0 for no limit; undefined if the text is not a rate. */
export function readLogRate(text: string): number | undefined {
  const rate = /^[0-9]{1,10}$/.test(text.trim()) ? Number(text) : Number.NaN;
  return rate <= MAX_RATE ? rate : undefined;
}
