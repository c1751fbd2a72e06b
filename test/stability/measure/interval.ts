// SPDX-License-Identifier: Apache-2.0

/** A mean and the 95 % confidence interval around it; without an interval if there is only one value. */
export interface Estimate {
  readonly mean: number;
  readonly count: number;
  readonly low?: number;
  readonly high?: number;
}

/** 0.975 quantiles of Student's t distribution for 1 to 30 degrees of freedom (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2). */
const T_975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** The arithmetic mean; NaN of no values. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The mean of repeats and its t interval: correct for roughly normal values, and wide if there are few. It does not go below `least`, the smallest possible
 * value. Undefined without values.
 */
export function estimate(values: readonly number[], least = Number.NEGATIVE_INFINITY): Estimate | undefined {
  const count = values.length;
  if (count === 0) return undefined;
  const centre = mean(values);
  if (count === 1) return { mean: centre, count };
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (count - 1);
  const half = tQuantile(count - 1) * Math.sqrt(variance / count);
  return { mean: centre, count, low: Math.max(least, centre - half), high: centre + half };
}

/** For more degrees of freedom the first terms of the expansion around the normal quantile (Abramowitz and Stegun, 26.7.5). */
function tQuantile(freedom: number): number {
  const z = 1.959_964;
  return T_975[freedom - 1] ?? z + (z ** 3 + z) / (4 * freedom);
}

/** Whether two estimates differ by more than chance: their intervals do not overlap. Undefined if one has none. */
export function differ(a: Estimate, b: Estimate): boolean | undefined {
  if (a.low === undefined || a.high === undefined || b.low === undefined || b.high === undefined) return undefined;
  return a.high < b.low || b.high < a.low;
}
