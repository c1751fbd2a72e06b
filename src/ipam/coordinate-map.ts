import { type Coordinate, compareCoordinates } from "./coordinate.ts";
import { NumberMap } from "./number-map.ts";

/** A map from coordinates to values: numbers in one table, the rare bigints in another. */
export class CoordinateMap<V> {
  readonly #near = new NumberMap<V>();
  readonly #far = new Map<bigint, V>();

  /** How many entries there are. */
  get size(): number {
    return this.#near.size + this.#far.size;
  }

  /** The value at a coordinate. */
  get(c: Coordinate): V | undefined {
    return typeof c === "number" ? this.#near.get(c) : this.#far.get(c);
  }

  /** Sets the value at a coordinate. */
  set(c: Coordinate, value: V): void {
    if (typeof c === "number") this.#near.set(c, value);
    else this.#far.set(c, value);
  }

  /** Takes a coordinate out; `false` if it was not there. */
  delete(c: Coordinate): boolean {
    return typeof c === "number" ? this.#near.delete(c) : this.#far.delete(c);
  }

  /** Whether there is a value at a coordinate. */
  has(c: Coordinate): boolean {
    return this.get(c) !== undefined;
  }

  /** All coordinates that have a value, in order. The map must not change meanwhile. */
  *sortedKeys(): Generator<Coordinate, undefined, undefined> {
    const far = [...this.#far.keys()].sort(compareCoordinates);
    for (const c of far) if (c < 0) yield c;
    yield* this.#near.keys().sort();
    for (const c of far) if (c >= 0) yield c;
  }

  /** All entries, in no particular order. The map must not change meanwhile. */
  *entries(): Generator<[Coordinate, V], undefined, undefined> {
    yield* this.#near.entries();
    yield* this.#far.entries();
  }
}
