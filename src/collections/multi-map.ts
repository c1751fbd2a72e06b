// SPDX-License-Identifier: Apache-2.0

/**
 * Keys with any number of different values each. Nearly all keys of an index over pods have one value, which is held by itself: a set for it
 * would cost some 300 bytes. Values must not be sets.
 */
export class MultiMap<K, V> {
  readonly #values = new Map<K, V | Set<V>>();

  /** The values of a key, in the order in which they came. What is added or deleted meanwhile may or may not be seen. */
  get(key: K): Iterable<V> {
    const found = this.#values.get(key);
    if (found instanceof Set) return found;
    return found === undefined ? NONE : [found];
  }

  /** The values of a key as they are now, in the order in which they came. */
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

  /** Takes one value away, and the key with its last one. */
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
