// SPDX-License-Identifier: Apache-2.0

/** The q-quantile (0 to 1) of numbers in any order, by linear interpolation; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? low;
  return low + (high - low) * (at - Math.floor(at));
}

/** How some measurements lie, in the unit of the measurements. */
export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

/** The spread of some measurements. */
export function spread(values: readonly number[]): Spread {
  return {
    count: values.length,
    min: quantile(values, 0),
    median: quantile(values, 0.5),
    p99: quantile(values, 0.99),
    max: quantile(values, 1),
  };
}
