import { OVN_PROVIDER } from "../api/annotations.ts";
import { MultiMap } from "../collections/multi-map.ts";
import { samePlain } from "../collections/plain.ts";
import { Failures } from "../desired/failures.ts";
import { ChangeQueue } from "./change-queue.ts";
import type { FactChange } from "./fact-change.ts";
import type { DerivedKind, FactIndexes, FactKind, FactTypes } from "./types.ts";

/**
 * The indexes of one kind of fact: index name → the values under which a fact is found. Only what some unit looks up is here; an index entry is also
 * the grain of invalidation, so a unit that reads `ips by subnet=a` is not woken by subnet b.
 */
export type Indexes<K extends FactKind> = {
  readonly [I in IndexName<K>]: (fact: FactTypes[K]) => readonly (string | undefined)[];
};

/** The names of the indexes of one kind. */
export type IndexName<K extends FactKind> = K extends keyof FactIndexes ? FactIndexes[K] : never;

/** Those of every kind. */
export type FactIndexTable = { readonly [K in FactKind]: Indexes<K> };

/** The indexes of facts that follow from others. Those of objects are declared with their kinds, in `src/kinds`. */
export const DERIVED_INDEXES: { readonly [K in DerivedKind]: Indexes<K> } = {
  subnets: {
    vpc: (subnet) => [subnet.vpc],
    // Those of pods' own interfaces are looked for otherwise.
    provider: (subnet) => (subnet.provider === OVN_PROVIDER ? [] : [subnet.provider]),
    namespace: (subnet) => subnet.namespaces,
    // By VPC: only its own pods send from there.
    private: (subnet) => (subnet.private ? [subnet.vpc] : []),
    // Those that any namespace may be bound to by its labels.
    selects: (subnet) => (subnet.namespaceSelectors.length > 0 ? ["any"] : []),
  },
  verdicts: {},
  addressConflicts: {},
  compiledPolicies: {},
  profiles: {},
  groups: {},
  portNumbers: {},
  domains: {},
  domainStates: {},
  served: {},
  policyUse: {},
  securityGroupPresence: {},
  nameCollisions: {},
  addressHolders: { subnet: (holder) => [holder.subnet] },
  cluster: {},
  chassisProblems: {},
};

/** How facts are looked up. Units get one that records each call as a dependency. */
export interface FactReader {
  get<K extends FactKind>(kind: K, key: string): FactTypes[K] | undefined;
  /** The facts found under `value`, by key. */
  by<K extends FactKind>(kind: K, index: IndexName<K>, value: string): readonly FactTypes[K][];
  /** All facts of a kind, by key. Whoever calls this is woken by each change of the kind. */
  all<K extends FactKind>(kind: K): readonly FactTypes[K][];
}

/** All facts that there are as if each had just come: for one who follows changes, and was not there when they came. */
export function* everyFact(facts: FactStore): Generator<FactChange, void, undefined> {
  for (const kind of facts.kinds) {
    for (const fact of facts.all(kind)) yield { kind, key: fact.key, new: fact, touched: [] };
  }
}

/** The names of what a reader's calls depend on. */
export const dependency = {
  fact: (kind: string, key: string): string => `${kind}/${key}`,
  index: (kind: string, index: string, value: string): string => `${kind}?${index}=${value}`,
  all: (kind: string): string => `${kind}*`,
};

/** An object is there whose fact is not known, because it could not be read: whoever needs it stays as it was. */
export class UnreadFactError extends Error {
  override readonly name = "UnreadFactError";
}

/**
 * All facts with their indexes. Writing an equal fact changes nothing and tells nobody: this is the cut-off that
 * keeps status updates and resyncs from compiling anything.
 *
 * A fact at which an index function throws is not taken: the former one stays, and it is tried again after a pause.
 */
export class FactStore implements FactReader {
  /** kind → key → fact. */
  readonly #facts = new Map<FactKind, Map<string, FactTypes[FactKind]>>();
  /** index dependency → keys of the facts under it. */
  readonly #entries = new MultiMap<string, string>();
  readonly #indexes: FactIndexTable;
  /** Dependencies on facts that are not known although their objects are there. */
  readonly #unread = new Set<string>();
  readonly #changes: ChangeQueue;
  /** What threw at facts: at index functions and listeners here, and elsewhere. */
  readonly failures: Failures;

  /** `indexes`: see `src/kinds/store.ts`. `failures`: without it what throws is thrown on. */
  constructor(indexes: FactIndexTable, failures = new Failures()) {
    this.#indexes = indexes;
    this.failures = failures;
    this.#changes = new ChangeQueue(failures);
  }

  /** Every kind of fact. */
  get kinds(): readonly FactKind[] {
    return Object.keys(this.#indexes) as FactKind[];
  }

  get<K extends FactKind>(kind: K, key: string): FactTypes[K] | undefined {
    return this.#table(kind).get(key);
  }

  by<K extends FactKind>(kind: K, index: IndexName<K>, value: string): readonly FactTypes[K][] {
    const entry = dependency.index(kind, index, value);
    if (!this.#entries.has(entry)) return [];
    const table = this.#table(kind);
    return [...this.#entries.get(entry)].sort().flatMap((key) => table.get(key) ?? []);
  }

  all<K extends FactKind>(kind: K): readonly FactTypes[K][] {
    return [...this.#table(kind).values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** How many facts of a kind there are. */
  size(kind: FactKind): number {
    return this.#table(kind).size;
  }

  /** Sets or, with `undefined`, removes a fact. Returns the change, or nothing where it was so already, or is not taken. */
  set<K extends FactKind>(kind: K, key: string, fact: FactTypes[K] | undefined): FactChange<K> | undefined {
    const table = this.#table(kind);
    const old = table.get(key);
    const index = { part: "index", where: "", kind, key } as const;
    if (samePlain(old, fact)) {
      this.failures.succeeded(index);
      this.setUnread(kind, key, false);
      return undefined;
    }
    let after: readonly string[] = [];
    try {
      if (fact !== undefined) after = this.#indexEntries(kind, fact);
    } catch (error) {
      if (old === undefined) this.setUnread(kind, key, true);
      this.failures.failed(index, error, () => void this.set(kind, key, fact));
      return undefined;
    }
    this.failures.succeeded(index);
    this.#unread.delete(dependency.fact(kind, key));
    const before = old === undefined ? [] : this.#entriesOf(kind, old);
    if (fact === undefined) table.delete(key);
    else table.set(key, fact);
    for (const entry of before) if (!after.includes(entry)) this.#entries.delete(entry, key);
    for (const entry of after) if (!before.includes(entry)) this.#entries.add(entry, key);
    const touched = [dependency.fact(kind, key), dependency.all(kind), ...new Set([...before, ...after])];
    const change: FactChange<K> = {
      kind,
      key,
      touched,
      ...(old === undefined ? {} : { old }),
      ...(fact === undefined ? {} : { new: fact }),
    };
    this.#changes.push(change as FactChange);
    return change;
  }

  /**
   * Says that an object is there of which no fact is known, for it could not be read; or, with `false`, that it is not so any more. Facts that
   * are known stay, so nothing is said where there is one. Units that ask for such a fact cannot be compiled: what they have stays.
   */
  setUnread(kind: FactKind, key: string, unread: boolean): void {
    const fact = dependency.fact(kind, key);
    const changed = unread ? this.get(kind, key) === undefined && !this.#unread.has(fact) : this.#unread.delete(fact);
    if (!changed) return;
    if (unread) this.#unread.add(fact);
    this.#changes.push({ kind, key, touched: [fact, dependency.index(kind, OWN_NAME, key)] });
  }

  /** Whether an object is there whose fact is not known. */
  isUnread(kind: FactKind, key: string): boolean {
    return this.#unread.size > 0 && this.#unread.has(dependency.fact(kind, key));
  }

  /**
   * Calls `listener` after each change, when everything has been derived that follows from it (see {@link derive}); returns how to stop it.
   * Changes that a listener makes are told when all have heard of the present one. `name` is for people.
   */
  subscribe(listener: (change: FactChange) => void, name = "facts"): () => void {
    return this.#changes.add(name, false, listener);
  }

  /** Calls `listener` after each change, before all who have subscribed: for those who derive facts from facts. Returns how to stop it. */
  derive(listener: (change: FactChange) => void, name = "facts"): () => void {
    return this.#changes.add(name, true, listener);
  }

  /** The index entries that a fact has. */
  #entriesOf<K extends FactKind>(kind: K, fact: FactTypes[K]): readonly string[] {
    try {
      return this.#indexEntries(kind, fact);
    } catch {
      // It did not throw when the fact was taken. What it said then is looked for.
      const of = `${kind}?`;
      return [...this.#entries.keys()].filter(
        (entry) => entry.startsWith(of) && this.#entries.includes(entry, fact.key),
      );
    }
  }

  #table<K extends FactKind>(kind: K): Map<string, FactTypes[K]> {
    let table = this.#facts.get(kind);
    if (table === undefined) {
      table = new Map();
      this.#facts.set(kind, table);
    }
    return table as Map<string, FactTypes[K]>;
  }

  #indexEntries<K extends FactKind>(kind: K, fact: FactTypes[K]): string[] {
    const entries: string[] = [];
    // The table's type ties each kind to its own functions; TypeScript cannot follow that through a generic K.
    const indexes = this.#indexes[kind] as Readonly<
      Record<string, (fact: FactTypes[K]) => readonly (string | undefined)[]>
    >;
    for (const [index, valuesOf] of Object.entries(indexes)) {
      for (const value of valuesOf(fact)) if (value !== undefined) entries.push(dependency.index(kind, index, value));
    }
    return entries;
  }
}

/** The index whose values are the objects' own names, but for those that stand for something else (a machine's pods). */
const OWN_NAME = "holder";

/** A reader to which a fact that is not known although its object is there is not the same as none: it throws an {@link UnreadFactError}. */
export function strictReader(facts: FactStore): FactReader {
  return {
    get: (kind, key) => {
      if (facts.isUnread(kind, key)) throw new UnreadFactError(`${kind} ${key} could not be read`);
      return facts.get(kind, key);
    },
    by: (kind, index, value) => {
      if (index === OWN_NAME && facts.isUnread(kind, value))
        throw new UnreadFactError(`${kind} ${value} could not be read`);
      return facts.by(kind, index, value);
    },
    all: (kind) => facts.all(kind),
  };
}

/** A reader that notes every dependency of what is asked of `facts` in `seen`. */
export function recordingReader(facts: FactReader, seen: Set<string>): FactReader {
  return {
    get: (kind, key) => {
      seen.add(dependency.fact(kind, key));
      return facts.get(kind, key);
    },
    by: (kind, index, value) => {
      seen.add(dependency.index(kind, index, value));
      return facts.by(kind, index, value);
    },
    all: (kind) => {
      seen.add(dependency.all(kind));
      return facts.all(kind);
    },
  };
}
