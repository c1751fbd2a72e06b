// SPDX-License-Identifier: Apache-2.0

import { type Offset, spanSize, successor } from "./offset.ts";
import type { OffsetMap } from "./offset-map.ts";
import { ReleasedQueue } from "./released.ts";
import type { Zone } from "./zones.ts";

/**
 * The addresses of one pool that are allocated without an explicit request: the `auto` zones of an IPPool, or of the rest of the subnet. Addresses
 * not used since the layout last changed come first, in order from a cursor; then released ones, the longest released first.
 *
 * Invariant: every address of the list is in use, or waiting in `released`, or at or beyond the cursor.
 */
export class FreeList {
  readonly pool: string;
  /** In order; all of kind `auto`. */
  readonly zones: readonly Zone[];
  /** How many addresses there are in `zones`. */
  readonly size: bigint;
  readonly released = new ReleasedQueue();
  /** How many addresses of `zones` are in use. */
  used = 0;
  /** The number of used addresses of the pool outside `zones`, which are allocated on explicit request only. */
  usedOutside = 0;
  /** `size`, rounded above 2^53: it is only compared with the number of used addresses. */
  readonly #room: number;
  #zone = 0;
  #cursor: Offset;

  constructor(pool: string, zones: readonly Zone[]) {
    this.pool = pool;
    this.zones = zones;
    this.size = zones.reduce((sum, zone) => sum + spanSize(zone.first, zone.last), 0n);
    this.#room = Number(this.size);
    this.#cursor = zones[0]?.first ?? 0;
  }

  /** The number of free addresses. */
  get available(): bigint {
    return this.size - BigInt(this.used);
  }

  /**
   * The next free address, if there is one. Does not take it. The cursor passes used and waiting addresses and never returns, so a decision is O(1)
   * on average.
   */
  next(holders: OffsetMap<unknown>): Offset | undefined {
    if (this.#room - this.used - this.released.size <= 0) return this.released.first();
    let c = this.#cursor;
    for (;;) {
      const zone = this.zones[this.#zone];
      if (zone === undefined) return undefined;
      for (; c <= zone.last; c = successor(c)) {
        if (holders.has(c)) continue;
        if (this.released.size > 0 && this.released.has(c)) continue;
        this.#cursor = c;
        return c;
      }
      this.#zone++;
      c = this.zones[this.#zone]?.first ?? c;
      this.#cursor = c;
    }
  }
}
