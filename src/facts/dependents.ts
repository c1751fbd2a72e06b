// SPDX-License-Identifier: Apache-2.0

import { getOrAdd } from "../collections/get-or-add.ts";
import type { Dependency, Topic } from "./dependency.ts";

/** A dependency that somebody has read. It is kept for as long as it has readers. */
interface Entry extends Dependency {
  /** Nearly all have one, which is held by itself. */
  readers: string | Set<string>;
  /** The last call of {@link Dependents.set} that named it. */
  named: number;
}

const NOTHING: readonly never[] = [];

/** Who depends on what, by what each read last. */
export class Dependents {
  readonly #entries = new Map<Topic, Map<string, Entry>>();
  /** reader → what it read, each once. */
  readonly #read = new Map<string, readonly Entry[]>();
  #calls = 0;

  /** How many dependencies have readers: none is kept that has none. */
  get size(): number {
    let size = 0;
    for (const entries of this.#entries.values()) size += entries.size;
    return size;
  }

  /** How many readers have read anything. */
  get readers(): number {
    return this.#read.size;
  }

  /** Who read a dependency, in the order in which they did so first. */
  of({ topic, value }: Dependency): readonly string[] {
    const readers = this.#entries.get(topic)?.get(value)?.readers;
    if (readers === undefined) return NOTHING;
    return typeof readers === "string" ? [readers] : [...readers];
  }

  /** A reader has read this, and no longer what it read before. */
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
    // There is one for each pod: where it is the same the former one stays. A copy has no room for more, as a list has to which things were added.
    else if (kept !== before.length || kept !== after.length) this.#read.set(reader, after.slice());
  }

  /** A reader is gone. */
  delete(reader: string): void {
    for (const entry of this.#read.get(reader) ?? NOTHING) this.#remove(entry, reader);
    this.#read.delete(reader);
  }

  /** All readers are gone. */
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
