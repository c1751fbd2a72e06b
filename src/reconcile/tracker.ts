import { type FactChange, type FactReader, recordingReader } from "../facts/store.ts";
import type { Effect, Fragment } from "../unit/fragment.ts";
import { type AnyUnitKind, splitUnitId, unitId } from "../unit/kind.ts";
import { MultiMap } from "../unit/multi-map.ts";
import { samePlain } from "../unit/plain.ts";

/** Which unit a fact stands for by its mere existence: a pod fact makes a pod unit. */
export type RootsOf = (change: FactChange) => readonly { readonly kind: string; readonly key: string }[];

/** In place of the input of a unit that could not be read or compiled: it is like no other. */
const FAILED = Symbol("failed");

/** What came of compiling one unit. `changed` is false where the input was as before, and the fragment with it. */
export interface Compiled<E extends Effect> {
  readonly changed: boolean;
  readonly fragment: Fragment<E> | undefined;
}

/**
 * Knows which units are to be compiled: those that read a fact, or an index entry, that has changed since. Dependencies are
 * what a unit's `read` asked for, recorded anew each time.
 */
export class Tracker<E extends Effect> {
  readonly #kinds: ReadonlyMap<string, AnyUnitKind<FactReader, E>>;
  readonly #facts: FactReader;
  readonly #rootsOf: RootsOf;
  /** dependency → units that read it. */
  readonly #readers = new MultiMap<string, string>();
  /** unit → what it read, and the input that came of it. */
  readonly #known = new Map<string, { readonly dependencies: readonly string[]; readonly input: unknown }>();
  /** priority → units to compile, in the order in which they became so. */
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

  /** How many units are to be compiled. */
  get dirtyCount(): number {
    return this.#dirtyCount;
  }

  /** Marks the units that a changed fact concerns. */
  note(change: FactChange): void {
    for (const { kind, key } of this.#rootsOf(change)) this.mark(unitId(kind, key));
    for (const dependency of change.touched) {
      for (const unit of this.#readers.get(dependency)) this.mark(unit);
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
  isWhole(unit: string): boolean {
    return this.#kinds.get(splitUnitId(unit).kind)?.whole === true;
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
   * Reads and, if its input changed, compiles a unit. What these throw is thrown on: a fault of ours, with an input that nobody has thought of, or
   * an `UnreadFactError`. The unit is compiled again when something changes that it has read, or when it is marked.
   */
  compile(unit: string): Compiled<E> {
    const { kind: kindName, key } = splitUnitId(unit);
    const kind = this.#kinds.get(kindName);
    if (kind === undefined) return { changed: false, fragment: undefined };
    const seen = new Set<string>();
    const known = this.#known.get(unit);
    let input: unknown = FAILED;
    let dependencies: readonly string[] = [];
    try {
      input = kind.read(recordingReader(this.#facts, seen), key);
    } finally {
      dependencies = this.#depend(unit, known?.dependencies ?? [], input === undefined ? new Set() : seen);
      if (input === FAILED) this.#known.set(unit, { dependencies, input });
    }
    if (input === undefined) {
      this.#known.delete(unit);
      return { changed: true, fragment: undefined };
    }
    if (known !== undefined && samePlain(known.input, input)) {
      this.#known.set(unit, { dependencies, input });
      return { changed: false, fragment: undefined };
    }
    this.#known.set(unit, { dependencies, input: FAILED });
    const fragment = kind.compile(input);
    this.#known.set(unit, { dependencies, input });
    return { changed: true, fragment };
  }

  /** Returns what is read now: as a list, and the former one where it is the same, for there is one for each pod. */
  #depend(unit: string, before: readonly string[], after: ReadonlySet<string>): readonly string[] {
    const kept = new Set(before);
    for (const dependency of before) {
      if (after.has(dependency)) continue;
      kept.delete(dependency);
      this.#readers.delete(dependency, unit);
    }
    for (const dependency of after) if (!kept.has(dependency)) this.#readers.add(dependency, unit);
    return kept.size === before.length && kept.size === after.size ? before : [...after];
  }

  #dirtyOf(unit: string): Set<string> | undefined {
    const kind = this.#kinds.get(splitUnitId(unit).kind);
    return kind === undefined ? undefined : this.#dirty.get(kind.priority);
  }
}
