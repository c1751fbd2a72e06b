import { MultiMap } from "../collections/multi-map.ts";

const NOTHING: readonly string[] = [];

/** Who depends on what, by what each read last. */
export class Dependents {
  /** dependency → who read it. */
  readonly #readers = new MultiMap<string, string>();
  /** reader → what it read. */
  readonly #read = new Map<string, readonly string[]>();

  /** Who read a dependency, in the order in which they did so first. */
  of(dependency: string): readonly string[] {
    return this.#readers.list(dependency);
  }

  /** A reader has read this, and no longer what it read before. */
  set(reader: string, seen: ReadonlySet<string>): void {
    const before = this.#read.get(reader) ?? NOTHING;
    const kept = new Set(before);
    for (const dependency of before) {
      if (seen.has(dependency)) continue;
      kept.delete(dependency);
      this.#readers.delete(dependency, reader);
    }
    for (const dependency of seen) if (!kept.has(dependency)) this.#readers.add(dependency, reader);
    if (seen.size === 0) this.#read.delete(reader);
    // There is one for each pod: where it is the same the former one stays.
    else if (kept.size !== before.length || kept.size !== seen.size) this.#read.set(reader, [...seen]);
  }

  /** A reader is gone. */
  delete(reader: string): void {
    this.set(reader, new Set());
  }

  /** All readers are gone. */
  clear(): void {
    for (const reader of [...this.#read.keys()]) this.delete(reader);
  }
}
