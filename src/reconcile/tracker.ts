// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import type { Effect, Fragment } from "../desired/fragment.ts";
import { type AnyUnitKind, splitUnitId, unitId } from "../desired/unit-kind.ts";
import type { Dependency } from "../facts/dependency.ts";
import { Dependents } from "../facts/dependents.ts";
import type { FactChange } from "../facts/fact-change.ts";
import { type FactReader, recordingReader } from "../facts/store.ts";

/** The units that exist because a fact exists: a pod fact makes a pod unit. */
export type RootsOf = (change: FactChange) => readonly { readonly kind: string; readonly key: string }[];

/** Stands for the input of a unit that could not be read or compiled; it is different from every input. */
const FAILED = Symbol("failed");

/** The result of compiling one unit. `changed` is false if the input, and therefore the fragment, is the same as before. */
export interface Compiled<E extends Effect> {
  readonly changed: boolean;
  readonly fragment: Fragment<E> | undefined;
}

/**
 * Knows which units are to be compiled: those that read a fact, or an index entry, that has changed since. A unit depends on what its `read` has
 * read, recorded again each time.
 */
export class Tracker<E extends Effect> {
  readonly #kinds: ReadonlyMap<string, AnyUnitKind<FactReader, E>>;
  readonly #facts: FactReader;
  readonly #rootsOf: RootsOf;
  readonly #dependents = new Dependents();
  /** unit → the input that it had last. */
  readonly #inputs = new Map<string, unknown>();
  /** priority → dirty units, the oldest first. */
  readonly #dirty = new Map<number, Set<string>>();
  #dirtyCount = 0;

  constructor(kinds: readonly AnyUnitKind<FactReader, E>[], facts: FactReader, rootsOf: RootsOf) {
    this.#kinds = new Map(kinds.map((kind) => [kind.name, kind]));
    for (const priority of [...new Set(kinds.map((kind) => kind.priority))].sort((a, b) => a - b)) {
      this.#dirty.set(priority, new Set());
    }
    this.#facts = facts;
    this.#rootsOf = rootsOf;
  }

  /** The number of dirty units. */
  get dirtyCount(): number {
    return this.#dirtyCount;
  }

  /** Marks the units that a changed fact concerns. */
  note(change: FactChange): void {
    for (const { kind, key } of this.#rootsOf(change)) this.mark(unitId(kind, key));
    for (const dependency of change.touched) {
      for (const unit of this.#dependents.of(dependency)) this.mark(unit);
    }
  }

  /** Marks one unit. */
  mark(unit: string): void {
    const dirty = this.#dirtyOf(unit);
    if (dirty === undefined || dirty.has(unit)) return;
    dirty.add(unit);
    this.#dirtyCount++;
  }

  /** Whether a unit is to be compiled. */
  isDirty(unit: string): boolean {
    return this.#dirtyOf(unit)?.has(unit) === true;
  }

  /** Whether what is dirty together with this unit must be committed together with it. */
  isAtomic(unit: string): boolean {
    return this.#kinds.get(splitUnitId(unit).kind)?.atomic === true;
  }

  /** Takes the next unit to compile, the most urgent first. */
  take(): string | undefined {
    for (const dirty of this.#dirty.values()) {
      for (const unit of dirty) {
        dirty.delete(unit);
        this.#dirtyCount--;
        return unit;
      }
    }
    return undefined;
  }

  /**
   * Reads and, if its input changed, compiles a unit. Rethrows what they throw: a bug that this input triggers, or an `UnreadFactError`. The unit is
   * compiled again when something changes that it has read, or when it is marked. `check` may throw as well, if it rejects the fragment.
   */
  compile(unit: string, check: (fragment: Fragment<E>) => void = () => undefined): Compiled<E> {
    const { kind: kindName, key } = splitUnitId(unit);
    const kind = this.#kinds.get(kindName);
    if (kind === undefined) return { changed: false, fragment: undefined };
    const seen: Dependency[] = [];
    const before = this.#inputs.has(unit) ? this.#inputs.get(unit) : FAILED;
    this.#inputs.set(unit, FAILED);
    let input: unknown = FAILED;
    try {
      input = kind.read(recordingReader(this.#facts, seen), key);
    } finally {
      if (input === undefined) this.#dependents.delete(unit);
      else this.#dependents.set(unit, seen);
    }
    if (input === undefined) {
      this.#inputs.delete(unit);
      return { changed: true, fragment: undefined };
    }
    const changed = before === FAILED || !samePlain(before, input);
    const fragment = changed ? kind.compile(input) : undefined;
    if (fragment !== undefined) check(fragment);
    this.#inputs.set(unit, input);
    return { changed, fragment };
  }

  #dirtyOf(unit: string): Set<string> | undefined {
    const kind = this.#kinds.get(splitUnitId(unit).kind);
    return kind === undefined ? undefined : this.#dirty.get(kind.priority);
  }
}
