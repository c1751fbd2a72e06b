// SPDX-License-Identifier: Apache-2.0

/**
 * Reproducible random numbers: all random choices of a simulated run come from here, and from its seed. Streams are forked by
 * name, so that a message's delay depends on the message and not on how many numbers others have used before. This
 * keeps the rest of a run unchanged when one action is removed from its script.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: string) {
    const hash = hashOf(seed);
    this.#a = hash();
    this.#b = hash();
    this.#c = hash();
    this.#d = hash();
    for (let i = 0; i < 8; i++) this.next();
  }

  /** In [0, 1). The generator is sfc32. */
  next(): number {
    const t = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    return (t >>> 0) / 4_294_967_296;
  }

  /** An integer from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.next() < p;
  }

  /** One of several; throws if there is none. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error("nothing to pick from");
    return items[Math.floor(this.next() * items.length)] as T;
  }

  /** One of several names, with probabilities by weight. */
  weighted<K extends string>(weights: Readonly<Partial<Record<K, number>>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let at = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      at -= weight;
      if (at < 0) return name;
    }
    throw new Error("no weights");
  }

  /** A delay of a network or API server: mostly `usual`, seldom up to `most`. In ms, rounded to microseconds. */
  delay(usual: number, most: number): number {
    const p = this.next();
    const ms = p < 0.9 ? this.next() * usual : p < 0.98 ? this.next() * Math.min(most, usual * 20) : this.next() * most;
    return Math.round(ms * 1_000) / 1_000;
  }
}

/** xmur3: derives any number of 32-bit numbers from a text. */
function hashOf(text: string): () => number {
  let h = 1_779_033_703 ^ text.length;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 3_432_918_353);
    h = (h << 13) | (h >>> 19);
  }
  return () => {
    h = Math.imul(h ^ (h >>> 16), 2_246_822_507);
    h = Math.imul(h ^ (h >>> 13), 3_266_489_909);
    h ^= h >>> 16;
    return h | 0;
  };
}
