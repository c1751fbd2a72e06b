// SPDX-License-Identifier: Apache-2.0

import { setNewest } from "../../collections/newest.ts";
import type { Clock } from "../../time/clock.ts";

/** The number of clients that are told apart. */
const MAX_CLIENTS = 1_024;

/** Limits how often each of many clients may ask: token buckets, of which the least recently used are forgotten. */
export class Rates {
  readonly #clock: Pick<Clock, "now">;
  readonly #perSecond: number;
  readonly #burst: number;
  /** client → what is left, and since when. */
  readonly #left = new Map<string, { readonly tokens: number; readonly at: number }>();

  constructor(clock: Pick<Clock, "now">, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /** Whether the client may ask now, which counts. */
  take(client: string): boolean {
    const now = this.#clock.now();
    const { tokens, at } = this.#left.get(client) ?? { tokens: this.#burst, at: now };
    const left = Math.min(this.#burst, tokens + ((now - at) / 1_000) * this.#perSecond);
    setNewest(this.#left, client, { tokens: left >= 1 ? left - 1 : left, at: now }, MAX_CLIENTS);
    return left >= 1;
  }
}
