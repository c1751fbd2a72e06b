// SPDX-License-Identifier: Apache-2.0

import { NumberMap } from "./number-map.ts";
import { compareOffsets, type Offset } from "./offset.ts";

/** A map from offsets to values: numbers in one table, the rare bigints in another. */
export class OffsetMap<V> {
  readonly #near = new NumberMap<V>();
  readonly #far = new Map<bigint, V>();

  /** How many entries there are. */
  get size(): number {
    return this.#near.size + this.#far.size;
  }

  /** The value at an offset. */
  get(c: Offset): V | undefined {
    return typeof c === "number" ? this.#near.get(c) : this.#far.get(c);
  }

  /** Sets the value at an offset. */
  set(c: Offset, value: V): void {
    if (typeof c === "number") this.#near.set(c, value);
    else this.#far.set(c, value);
  }

  /** Removes an offset; `false` if it was not there. */
  delete(c: Offset): boolean {
    return typeof c === "number" ? this.#near.delete(c) : this.#far.delete(c);
  }

  /** Whether there is a value at an offset. */
  has(c: Offset): boolean {
    return this.get(c) !== undefined;
  }

  /** All offsets that have a value, in order. The map must not change meanwhile. */
  *sortedKeys(): Generator<Offset, undefined, undefined> {
    const far = [...this.#far.keys()].sort(compareOffsets);
    for (const c of far) if (c < 0) yield c;
    yield* this.#near.keys().sort();
    for (const c of far) if (c >= 0) yield c;
  }

  /** All entries, in no particular order. The map must not change meanwhile. */
  *entries(): Generator<[Offset, V], undefined, undefined> {
    yield* this.#near.entries();
    yield* this.#far.entries();
  }
}
