// SPDX-License-Identifier: Apache-2.0

/**
 * Keys with any number of different values each. Nearly all keys of an index over pods have one value, which is stored without a set: a set costs
 * about 300 bytes. Values must not be sets.
 */
export class MultiMap<K, V> {
  readonly #values = new Map<K, V | Set<V>>();

  /** The values of a key in insertion order. Values added or deleted during the iteration may or may not be included. */
  get(key: K): Iterable<V> {
    const found = this.#values.get(key);
    if (found instanceof Set) return found;
    return found === undefined ? NONE : [found];
  }

  /** A copy of the values of a key in insertion order. */
  list(key: K): readonly V[] {
    const found = this.#values.get(key);
    if (found === undefined) return NONE;
    return found instanceof Set ? [...found] : [found];
  }

  /** Whether a key has any value. */
  has(key: K): boolean {
    return this.#values.has(key);
  }

  /** Whether a key has a value. */
  includes(key: K, value: V): boolean {
    const found = this.#values.get(key);
    return found instanceof Set ? found.has(value) : found === value && found !== undefined;
  }

  add(key: K, value: V): void {
    const found = this.#values.get(key);
    if (found === undefined) this.#values.set(key, value);
    else if (found instanceof Set) found.add(value);
    else if (found !== value) this.#values.set(key, new Set([found, value]));
  }

  /** Removes one value, and the key with its last value. */
  delete(key: K, value: V): void {
    const found = this.#values.get(key);
    if (found instanceof Set) {
      found.delete(value);
      if (found.size === 0) this.#values.delete(key);
    } else if (found === value) {
      this.#values.delete(key);
    }
  }

  /** The keys that have values. */
  keys(): IterableIterator<K> {
    return this.#values.keys();
  }
}

const NONE: readonly never[] = [];
