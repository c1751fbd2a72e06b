// SPDX-License-Identifier: Apache-2.0

import { getOrAdd } from "../collections/get-or-add.ts";
import type { Dependency, Topic } from "./dependency.ts";

/** A dependency with readers. It is kept as long as it has any. */
interface Entry extends Dependency {
  /** Nearly all have one reader, which is stored without a set. */
  readers: string | Set<string>;
  /** The last call of {@link Dependents.set} that contained it. */
  named: number;
}

const NOTHING: readonly never[] = [];

/** The readers of dependencies, by their last reads. */
export class Dependents {
  readonly #entries = new Map<Topic, Map<string, Entry>>();
  /** reader → its dependencies, each once. */
  readonly #read = new Map<string, readonly Entry[]>();
  #calls = 0;

  /** The number of dependencies with readers. */
  get size(): number {
    let size = 0;
    for (const entries of this.#entries.values()) size += entries.size;
    return size;
  }

  /** The number of readers with dependencies. */
  get readers(): number {
    return this.#read.size;
  }

  /** The readers of a dependency, in order of their first read. */
  of({ topic, value }: Dependency): readonly string[] {
    const readers = this.#entries.get(topic)?.get(value)?.readers;
    if (readers === undefined) return NOTHING;
    return typeof readers === "string" ? [readers] : [...readers];
  }

  /** Replaces the dependencies of a reader. */
  set(reader: string, seen: readonly Dependency[]): void {
    const call = ++this.#calls;
    const before = this.#read.get(reader) ?? NOTHING;
    const after: Entry[] = [];
    for (const dependency of seen) {
      const entry = this.#add(dependency, reader);
      if (entry.named === call) continue;
      entry.named = call;
      after.push(entry);
    }
    let kept = 0;
    for (const entry of before) {
      if (entry.named === call) kept++;
      else this.#remove(entry, reader);
    }
    if (after.length === 0) this.#read.delete(reader);
    // There is one list for each pod: an equal list is kept. A copy has no spare capacity, unlike a list that was appended to.
    else if (kept !== before.length || kept !== after.length) this.#read.set(reader, after.slice());
  }

  /** Removes a reader. */
  delete(reader: string): void {
    for (const entry of this.#read.get(reader) ?? NOTHING) this.#remove(entry, reader);
    this.#read.delete(reader);
  }

  /** Removes all readers. */
  clear(): void {
    this.#entries.clear();
    this.#read.clear();
  }

  #add({ topic, value }: Dependency, reader: string): Entry {
    const entries = getOrAdd(this.#entries, topic, () => new Map<string, Entry>());
    let entry = entries.get(value);
    if (entry === undefined) {
      entry = { topic, value, readers: reader, named: 0 };
      entries.set(value, entry);
    } else if (typeof entry.readers !== "string") entry.readers.add(reader);
    else if (entry.readers !== reader) entry.readers = new Set([entry.readers, reader]);
    return entry;
  }

  #remove(entry: Entry, reader: string): void {
    if (typeof entry.readers !== "string") {
      entry.readers.delete(reader);
      if (entry.readers.size > 0) return;
    }
    this.#entries.get(entry.topic)?.delete(entry.value);
  }
}
