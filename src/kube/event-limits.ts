// SPDX-License-Identifier: Apache-2.0

import { setNewest } from "../collections/newest.ts";
import type { Clock } from "../time/clock.ts";

/** A map of limited size: the least recently used entry is evicted first. */
export interface BoundedMap<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  delete(key: string): void;
  readonly size: number;
}

/** An empty {@link BoundedMap}. */
export function boundedMap<V>(limit: number): BoundedMap<V> {
  /** key → value, from the least to the most recently used. */
  const map = new Map<string, V>();
  return {
    get(key) {
      const value = map.get(key);
      if (value === undefined) return undefined;
      map.delete(key);
      map.set(key, value);
      return value;
    },
    set(key, value) {
      setNewest(map, key, value, limit);
    },
    delete: (key) => void map.delete(key),
    get size() {
      return map.size;
    },
  };
}

/**
 * A token bucket for each key: `burst` at once, then one in `refillMs`. The returned function takes a token and
 * returns whether there was one. `remembered` buckets are kept; an evicted one is full again.
 */
export function tokenBuckets(
  burst: number,
  refillMs: number,
  remembered: number,
  clock: Pick<Clock, "now">,
): (key: string) => boolean {
  const buckets = boundedMap<{ tokens: number; at: number }>(remembered);
  return (key) => {
    const now = clock.now();
    const known = buckets.get(key);
    const bucket = known ?? { tokens: burst, at: now };
    if (known === undefined) buckets.set(key, bucket);
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillMs);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  };
}
