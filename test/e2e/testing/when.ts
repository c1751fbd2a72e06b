// SPDX-License-Identifier: Apache-2.0

/**
 * Waits by event until `look` returns a result: it is called at once, and each time the listener of `subscribe` is called. Its
 * return value, if neither `undefined` nor `false`, is the result; an exception ends the wait. Rejects after `ms`
 * milliseconds with the name `what`.
 */
export async function when<R>(
  subscribe: (listener: () => void) => () => void,
  look: () => R | undefined | false,
  what: string,
  ms: number,
): Promise<R> {
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  const check = (): void => {
    try {
      const found = look();
      if (found !== undefined && found !== false) resolve(found);
    } catch (error) {
      reject(error);
    }
  };
  const stop = subscribe(check);
  const timer = setTimeout(() => reject(new Error(`${what}: not within ${ms / 1000} s`)), ms);
  try {
    check();
    return await promise;
  } finally {
    stop();
    clearTimeout(timer);
  }
}

/** The result of `work`, and its duration in milliseconds, as text for a test's comment. */
export async function timed<R>(work: () => Promise<R>): Promise<{ readonly result: R; readonly took: string }> {
  const started = performance.now();
  const result = await work();
  return { result, took: `${Math.round(performance.now() - started)} ms` };
}
