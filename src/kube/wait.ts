// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "./errors.ts";
import type { Change } from "./informer-cache.ts";

/** The part of an informer that {@link waitFor} uses. */
export interface Watched<P> {
  get(key: string): P | undefined;
  subscribe(listener: (change: Change<P>) => void): () => void;
}

/**
 * Waits until `pick` returns a result for one object: it is called with the present projection (`undefined`: there is
 * no such object) at once and after each change, and its result, if not `undefined`, is returned. An error that it
 * throws is the rejection. Rejects with a `KubeError` `aborted` when `signal` fires.
 */
export async function waitFor<P, R>(
  source: Watched<P>,
  key: string,
  pick: (value: P | undefined) => R | undefined,
  signal: AbortSignal,
): Promise<R> {
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  const look = (value: P | undefined): void => {
    try {
      const found = pick(value);
      if (found !== undefined) resolve(found);
    } catch (error) {
      reject(error);
    }
  };
  const onAbort = (): void => reject(new KubeError("aborted", `waiting for ${key}`, { cause: signal.reason }));
  const unsubscribe = source.subscribe((change) => {
    if (change.key === key) look(change.new);
  });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    look(source.get(key));
    return await promise;
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", onAbort);
  }
}
