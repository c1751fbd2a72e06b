// SPDX-License-Identifier: Apache-2.0

/**
 * Waits by event until `look` finds what it looks for: it is called at once, and each time `subscribe`'s listener is. What it returns, if
 * neither `undefined` nor `false`, is the result; what it throws ends the wait. Rejects after `ms` milliseconds, saying `what` has not come.
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

/** What `work` returned, and how many milliseconds it took, as text for a test's comment. */
export async function timed<R>(work: () => Promise<R>): Promise<{ readonly result: R; readonly took: string }> {
  const started = performance.now();
  const result = await work();
  return { result, took: `${Math.round(performance.now() - started)} ms` };
}
