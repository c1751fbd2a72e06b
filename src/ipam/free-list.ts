// SPDX-License-Identifier: Apache-2.0

import { type Offset, spanSize, successor } from "./offset.ts";
import type { OffsetMap } from "./offset-map.ts";
import { ReleasedQueue } from "./released.ts";
import type { Zone } from "./zones.ts";

/**
 * The addresses of one pool that are given to who asks for any: the `auto` zones of an IPPool, or of the rest of the
 * subnet. Given first are those that nobody had since the layout was last cut, in order; a cursor stands before them.
 * Only then come those that were released, the longest waiting first.
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
  /** How many addresses of the pool are in use that lie outside `zones`, where only who asks for them gets them. */
  usedOutside = 0;
  /** `size`, rounded where it is beyond 2^53: only ever compared with how many are in use. */
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

  /** How many addresses can still be given. */
  get available(): bigint {
    return this.size - BigInt(this.used);
  }

  /**
   * The address that is given next, if any is left; nothing is taken. The cursor steps over what is in use or waiting
   * once and for all, so that each costs one look in its whole life, and a decision O(1) on average.
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
