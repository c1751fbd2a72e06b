const NOTHING: readonly string[] = [];

/** Who depends on what, by what each read last. Most dependencies have one reader, so one is kept without a set of its own. */
export class Dependents {
  /** dependency → who read it, in the order in which they did so first. */
  readonly #readers = new Map<string, string | Set<string>>();
  /** reader → what it read. */
  readonly #read = new Map<string, readonly string[]>();

  /** Who read a dependency. Changes made while it is gone through are not seen. */
  of(dependency: string): readonly string[] {
    const readers = this.#readers.get(dependency);
    if (readers === undefined) return NOTHING;
    return typeof readers === "string" ? [readers] : [...readers];
  }

  /** `reader` has read this, and no longer what it read before. Nothing: it is gone. */
  set(reader: string, seen: ReadonlySet<string>): void {
    const before = this.#read.get(reader) ?? NOTHING;
    for (const dependency of before) if (!seen.has(dependency)) this.#remove(dependency, reader);
    for (const dependency of seen) if (!before.includes(dependency)) this.#add(dependency, reader);
    if (seen.size === 0) this.#read.delete(reader);
    else this.#read.set(reader, [...seen]);
  }

  /** Forgets all. */
  clear(): void {
    this.#readers.clear();
    this.#read.clear();
  }

  #add(dependency: string, reader: string): void {
    const readers = this.#readers.get(dependency);
    if (readers === undefined) this.#readers.set(dependency, reader);
    else if (typeof readers === "string") this.#readers.set(dependency, new Set([readers, reader]));
    else readers.add(reader);
  }

  #remove(dependency: string, reader: string): void {
    const readers = this.#readers.get(dependency);
    if (typeof readers === "object" && readers.delete(reader) && readers.size > 0) return;
    if (readers === reader || typeof readers === "object") this.#readers.delete(dependency);
  }
}
