// SPDX-License-Identifier: Apache-2.0

/** Below this many slots a table is not made smaller. A power of two. */
const SMALLEST = 16;

/**
 * A map from numbers (safe integers) to values, for hundreds of thousands of entries with random lookups. `Map` follows three pointers for such a
 * key; this reads one array of doubles, with half the time and half the memory for keys beyond 31 bits. Open addressing with linear probing; a
 * deletion moves later entries back instead of leaving a marker.
 */
export class NumberMap<V> {
  /** NaN where a slot is empty. */
  #keys: Float64Array = emptyKeys(SMALLEST);
  #values: (V | undefined)[] = new Array<V | undefined>(SMALLEST);
  #shift = 32 - Math.log2(SMALLEST);
  #size = 0;

  /** How many entries there are. */
  get size(): number {
    return this.#size;
  }

  /** The value of a key. */
  get(key: number): V | undefined {
    const keys = this.#keys;
    const mask = keys.length - 1;
    for (let i = home(key, this.#shift); ; i = (i + 1) & mask) {
      const found = keys[i] as number;
      if (found === key) return this.#values[i];
      if (Number.isNaN(found)) return undefined;
    }
  }

  /** Sets the value of a key. */
  set(key: number, value: V): void {
    if (this.#size * 5 >= this.#keys.length * 3) this.#resize(this.#keys.length * 2);
    const keys = this.#keys;
    const mask = keys.length - 1;
    let i = home(key, this.#shift);
    for (; !Number.isNaN(keys[i] as number); i = (i + 1) & mask) {
      if (keys[i] === key) {
        this.#values[i] = value;
        return;
      }
    }
    keys[i] = key;
    this.#values[i] = value;
    this.#size++;
  }

  /** Removes a key; `false` if it was not there. */
  delete(key: number): boolean {
    const keys = this.#keys;
    const values = this.#values;
    const mask = keys.length - 1;
    let hole = home(key, this.#shift);
    while (keys[hole] !== key) {
      if (Number.isNaN(keys[hole] as number)) return false;
      hole = (hole + 1) & mask;
    }
    // An entry behind the gap whose probe sequence passes the gap is moved into it.
    for (let i = (hole + 1) & mask; !Number.isNaN(keys[i] as number); i = (i + 1) & mask) {
      const wanted = home(keys[i] as number, this.#shift);
      if (((i - wanted) & mask) >= ((i - hole) & mask)) {
        keys[hole] = keys[i] as number;
        values[hole] = values[i];
        hole = i;
      }
    }
    keys[hole] = Number.NaN;
    values[hole] = undefined;
    this.#size--;
    if (keys.length > SMALLEST && this.#size * 5 < keys.length) this.#resize(keys.length / 2);
    return true;
  }

  /** All keys, in no particular order. */
  keys(): Float64Array {
    return this.#keys.filter((key) => !Number.isNaN(key));
  }

  /** All entries, in no particular order. The map must not change meanwhile. */
  *entries(): Generator<[number, V], undefined, undefined> {
    for (let i = 0; i < this.#keys.length; i++) {
      const key = this.#keys[i] as number;
      if (!Number.isNaN(key)) yield [key, this.#values[i] as V];
    }
  }

  #resize(slots: number): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = emptyKeys(slots);
    this.#values = new Array<V | undefined>(slots);
    this.#shift = 32 - Math.log2(slots);
    const mask = slots - 1;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as number;
      if (Number.isNaN(key)) continue;
      let at = home(key, this.#shift);
      while (!Number.isNaN(this.#keys[at] as number)) at = (at + 1) & mask;
      this.#keys[at] = key;
      this.#values[at] = values[i];
    }
  }
}

function emptyKeys(slots: number): Float64Array {
  return new Float64Array(slots).fill(Number.NaN);
}

/**
 * The slot of a key. Eight consecutive keys share a line of the processor's cache, because addresses are mostly allocated in order. The groups of
 * eight are spread evenly (Fibonacci hashing: the highest bits are the best).
 */
function home(key: number, shift: number): number {
  const high = Math.floor(key / 2 ** 32) | 0;
  const hash = Math.imul(Math.imul(high, 0x85ebca6b) ^ ((key | 0) >>> 3), 0x9e3779b1);
  return ((hash >>> shift) & ~7) | (key & 7);
}
