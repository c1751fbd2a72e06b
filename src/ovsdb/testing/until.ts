// SPDX-License-Identifier: Apache-2.0

/**
 * Resolves when `condition` is true: now, or after one of the events that `subscribe` reports. Rejects after `ms`
 * with the name of the condition.
 */
export function until(
  subscribe: (listener: () => void) => () => void,
  condition: () => boolean,
  what: string,
  ms = 10_000,
): Promise<void> {
  if (condition()) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(new Error(`not within ${ms} ms: ${what}`)), ms);
    const stop = subscribe(() => condition() && settle());
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      stop();
      if (error === undefined) resolve();
      else reject(error);
    };
  });
}
