// SPDX-License-Identifier: Apache-2.0

import { lookup } from "node:dns/promises";
import type { Clock } from "../time/clock.ts";
import { afterReading } from "./after-reading.ts";

/** The result of a check that takes time. */
export type Timed = { readonly ms: number } | { readonly problem: string };

/** Until a name must be resolved, or the API server must answer, in ms. */
export const DEADLINE_MS = 5_000;

/** Runs a check, which fails after {@link DEADLINE_MS}. Never rejects. */
export async function timed(clock: Pick<Clock, "now" | "after">, check: () => Promise<unknown>): Promise<Timed> {
  const started = clock.now();
  const late = Promise.withResolvers<never>();
  // It may fail after the end of the check.
  late.promise.catch(() => undefined);
  const fail = (): void => late.reject(new Error(`no answer within ${DEADLINE_MS / 1_000} s`));
  const cancel = clock.after(DEADLINE_MS, () => afterReading(fail));
  try {
    await Promise.race([check(), late.promise]);
    return { ms: clock.now() - started };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  } finally {
    cancel();
  }
}

/**
 * Resolves names as the pod's programs do (getaddrinfo(3)), which does not end before the resolver's own timeouts: of a name that is still being resolved no second
 * look-up is started, so that names take one thread of libuv's pool each.
 */
export class NameLookups {
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #lookup: (name: string) => Promise<unknown>;

  constructor(resolve: (name: string) => Promise<unknown> = (name) => lookup(name, { all: true })) {
    this.#lookup = resolve;
  }

  /** Resolves when the name is resolved; rejects with the resolver's error. */
  resolve(name: string): Promise<unknown> {
    const running = this.#running.get(name) ?? this.#lookup(name).finally(() => this.#running.delete(name));
    this.#running.set(name, running);
    return running;
  }
}
