// SPDX-License-Identifier: Apache-2.0

import { NumberMap } from "./number-map.ts";

/**
 * A map by owner name. A `Map` compares the strings of all keys with the same hash, which would be most of the time of an allocation among 100,000;
 * this compares hashes of 53 bits first.
 */
export class OwnerMap<V extends { readonly owner: string }> {
  readonly #byHash = new NumberMap<V>();
  /** Entries whose hash was already in `#byHash`. */
  readonly #others = new Map<string, V>();
  readonly #hash: (owner: string) => number;

  /** `hashOf` returns a safe integer; a test may pass one with collisions. */
  constructor(hashOf: (owner: string) => number = hash) {
    this.#hash = hashOf;
  }

  /** The value of an owner. */
  get(owner: string): V | undefined {
    const found = this.#byHash.get(this.#hash(owner));
    if (found?.owner === owner) return found;
    return this.#others.size === 0 ? undefined : this.#others.get(owner);
  }

  /** Adds the value of an owner that has none. */
  add(value: V): void {
    const key = this.#hash(value.owner);
    if (this.#byHash.get(key) === undefined) this.#byHash.set(key, value);
    else this.#others.set(value.owner, value);
  }

  /** Removes the value of an owner. */
  delete(owner: string): void {
    const key = this.#hash(owner);
    if (this.#byHash.get(key)?.owner === owner) this.#byHash.delete(key);
    else this.#others.delete(owner);
  }

  /** All values, in no particular order. The map must not change meanwhile. */
  *values(): Generator<V, undefined, undefined> {
    for (const [, value] of this.#byHash.entries()) yield value;
    yield* this.#others.values();
  }
}

/** Two hashes in one pass over the text (FNV-1a and a multiplicative one), 53 bits of them. */
function hash(text: string): number {
  let low = 0x811c9dc5;
  let high = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high + code, 0x9e3779b1) ^ (high >>> 15);
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}
