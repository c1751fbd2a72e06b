// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../api/annotations.ts";
import { getOrAdd } from "../collections/get-or-add.ts";
import { MultiMap } from "../collections/multi-map.ts";
import { samePlain } from "../collections/plain.ts";
import { Failures } from "../desired/failures.ts";
import { ChangeQueue } from "./change-queue.ts";
import { type Dependency, dependency, includesDependency, indexTopic, type Topic } from "./dependency.ts";
import type { FactChange } from "./fact-change.ts";
import { addressKeys } from "./nat-rule.ts";
import type { DerivedKind, FactIndexes, FactKind, FactTypes } from "./types.ts";

/**
 * The indexes of one kind of fact: index name → the values under which a fact is found. Only lookups of units are here; an index entry is also the
 * granularity of invalidation, so a unit that reads `ips by subnet=a` is not triggered by subnet b.
 */
export type Indexes<K extends FactKind> = {
  readonly [I in IndexName<K>]: (fact: FactTypes[K]) => readonly (string | undefined)[];
};

/** The names of the indexes of one kind. */
export type IndexName<K extends FactKind> = K extends keyof FactIndexes ? FactIndexes[K] : never;

/** Those of every kind. */
export type FactIndexTable = { readonly [K in FactKind]: Indexes<K> };

/** The indexes of derived facts. Those of objects are declared with their kinds, in `src/kinds`. */
export const DERIVED_INDEXES: { readonly [K in DerivedKind]: Indexes<K> } = {
  subnets: {
    vpc: (subnet) => [subnet.vpc],
    // Those of pods' own interfaces are found in another way.
    provider: (subnet) => (subnet.provider === OVN_PROVIDER ? [] : [subnet.provider]),
    namespace: (subnet) => subnet.namespaces,
    // By VPC: only its own pods have these source addresses.
    private: (subnet) => (subnet.private ? [subnet.vpc] : []),
    egressTable: ({ egress }) => (egress.gateway === "" ? [] : [String(egress.table)]),
    // Subnets that select namespaces by labels.
    selects: (subnet) => (subnet.namespaceSelectors.length > 0 ? ["any"] : []),
    // Subnets with a centralized gateway; "" if they select nodes by labels.
    gatewayNode: ({ gatewayType, gatewayNodes }) =>
      gatewayType !== "centralized" ? [] : gatewayNodes.length > 0 ? gatewayNodes : [""],
    vlan: ({ vlan }) => (vlan === "" ? [] : [vlan]),
    // Subnets with rules of their own, which make ACLs.
    rules: (subnet) => (subnet.private || subnet.acls.length > 0 ? ["any"] : []),
  },
  verdicts: {},
  subnetGateways: {},
  nodeSubnets: {},
  gatewayGroups: {},
  gatewayLosses: {},
  gatewaySplits: {},
  addressConflicts: {},
  compiledPolicies: {},
  profiles: {},
  groups: {},
  groupVpcs: {},
  nodeSources: {},
  vpcPeers: {},
  portNumbers: {},
  domains: {},
  domainStates: {},
  served: {},
  policyUse: {},
  securityGroupPresence: {},
  securityGroupVpcs: {},
  nameCollisions: {},
  addressHolders: { subnet: (holder) => [holder.subnet] },
  cluster: {},
  serviceRanges: {},
  bfdPorts: {},
  externalGateways: {},
  nodeEipChassis: {},
  eipVpcs: {},
  // As the targets of rules.
  routerEndpoints: { address: ({ vpc, addresses }) => addressKeys(vpc, ...addresses) },
  chassisProblems: {},
  zones: {},
  nodeNames: {},
  providerNodes: {
    // Those that are to be connected.
    network: ({ network, interface: name }) => (name === undefined ? [] : [network]),
    node: ({ node }) => [node],
  },
};

/** Reads facts. Units get a reader that records each call as a dependency. */
export interface FactReader {
  get<K extends FactKind>(kind: K, key: string): FactTypes[K] | undefined;
  /** The facts found under `value`, by key. */
  by<K extends FactKind>(kind: K, index: IndexName<K>, value: string): readonly FactTypes[K][];
  /** All facts of a kind, by key. A unit that calls this is triggered by each change of the kind. */
  all<K extends FactKind>(kind: K): readonly FactTypes[K][];
}

/** All existing facts as additions, for a listener that starts later. */
export function* everyFact(facts: FactStore): Generator<FactChange, void, undefined> {
  for (const kind of facts.kinds) {
    for (const fact of facts.all(kind)) yield { kind, key: fact.key, new: fact, touched: [] };
  }
}

/** An object exists whose fact is unknown, because it could not be read: units that need it keep their state. */
export class UnreadFactError extends Error {
  override readonly name = "UnreadFactError";
}

/**
 * All facts with their indexes. Writing an equal fact notifies no listener, so status updates and resyncs do not cause compilation.
 *
 * A fact at which an index function throws is not stored: the previous one stays, and it is retried after a back-off.
 */
export class FactStore implements FactReader {
  /** kind → key → fact. */
  readonly #facts = new Map<FactKind, Map<string, FactTypes[FactKind]>>();
  /** index → value → keys of the facts under it. */
  readonly #entries = new Map<Topic, MultiMap<string, string>>();
  readonly #indexes: FactIndexTable;
  /** kind → its index functions, which are called for each fact that is set. */
  readonly #functions = new Map<FactKind, readonly IndexFunction[]>();
  /** kind → keys of existing objects whose facts are unknown. */
  readonly #unread = new MultiMap<FactKind, string>();
  readonly #changes: ChangeQueue;
  /** Failures of index functions and listeners, and of other code for facts. */
  readonly failures: Failures;

  /** `indexes`: see `src/kinds/store.ts`. `failures`: without it exceptions are rethrown. */
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
    const keys = this.#entries.get(indexTopic(kind, index))?.list(value) ?? [];
    const table = this.#table(kind);
    // Nearly all have one.
    if (keys.length > 1) return keys.toSorted().flatMap((key) => table.get(key) ?? []);
    const fact = keys[0] === undefined ? undefined : table.get(keys[0]);
    return fact === undefined ? NONE : [fact];
  }

  /** Whether any fact is found under `value`. */
  has<K extends FactKind>(kind: K, index: IndexName<K>, value: string): boolean {
    return this.#entries.get(indexTopic(kind, index))?.has(value) === true;
  }

  all<K extends FactKind>(kind: K): readonly FactTypes[K][] {
    return [...this.#table(kind).values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** The number of facts of a kind. */
  size(kind: FactKind): number {
    return this.#table(kind).size;
  }

  /** Sets or, with `undefined`, removes a fact. Returns the change; `undefined` if there is none, or the fact is not stored. */
  set<K extends FactKind>(kind: K, key: string, fact: FactTypes[K] | undefined): FactChange<K> | undefined {
    const table = this.#table(kind);
    const old = table.get(key);
    const index = { part: "index", where: "", kind, key } as const;
    if (samePlain(old, fact)) {
      this.failures.succeeded(index);
      this.setUnread(kind, key, false);
      return undefined;
    }
    let after: readonly Dependency[] = [];
    try {
      if (fact !== undefined) after = this.#indexEntries(kind, fact);
    } catch (error) {
      if (old === undefined) this.setUnread(kind, key, true);
      this.failures.failed(index, error, () => void this.set(kind, key, fact));
      return undefined;
    }
    this.failures.succeeded(index);
    this.#unread.delete(kind, key);
    const before = old === undefined ? [] : this.#entriesOf(kind, old);
    if (fact === undefined) table.delete(key);
    else table.set(key, fact);
    const left = before.filter((entry) => !includesDependency(after, entry));
    for (const { topic, value } of left) this.#entries.get(topic)?.delete(value, key);
    for (const { topic, value } of after) this.#indexed(topic).add(value, key);
    const touched = [dependency.fact(kind, key), dependency.all(kind), ...left, ...after];
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
   * Marks an object as existing but unreadable, or, with `false`, removes the mark. Known facts stay, so there is no mark if there is a fact. Units
   * that read such a fact cannot be compiled and keep their state.
   */
  setUnread(kind: FactKind, key: string, unread: boolean): void {
    const known = this.isUnread(kind, key);
    if (unread ? known || this.get(kind, key) !== undefined : !known) return;
    if (unread) this.#unread.add(kind, key);
    else this.#unread.delete(kind, key);
    this.#changes.push({ kind, key, touched: [dependency.fact(kind, key), dependency.index(kind, OWN_NAME, key)] });
  }

  /** Whether an object exists whose fact is unknown. */
  isUnread(kind: FactKind, key: string): boolean {
    return this.#unread.includes(kind, key);
  }

  /** Keys of existing objects of a kind whose facts are unknown. */
  unread(kind: FactKind): readonly string[] {
    return [...this.#unread.get(kind)];
  }

  /**
   * Calls `listener` after each change, when all derived facts are updated (see {@link derive}). Changes made by a listener are delivered after the
   * current one. `name` is for logs. Returns a function that unsubscribes.
   */
  subscribe(listener: (change: FactChange) => void, name = "facts"): () => void {
    return this.#changes.add(name, false, listener);
  }

  /** Calls `listener` after each change, before all subscribers: for derivations of facts. Returns a function that unsubscribes. */
  derive(listener: (change: FactChange) => void, name = "facts"): () => void {
    return this.#changes.add(name, true, listener);
  }

  /** The index entries of a fact. */
  #entriesOf<K extends FactKind>(kind: K, fact: FactTypes[K]): readonly Dependency[] {
    try {
      return this.#indexEntries(kind, fact);
    } catch {
      // It did not throw when the fact was stored, and returns the same entries now.
      return Object.keys(this.#indexes[kind]).flatMap((index) => {
        const topic = indexTopic(kind, index);
        const entries = this.#indexed(topic);
        const values = [...entries.keys()].filter((value) => entries.includes(value, fact.key));
        return values.map((value) => ({ topic, value }));
      });
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

  #indexed(topic: Topic): MultiMap<string, string> {
    return getOrAdd(this.#entries, topic, () => new MultiMap<string, string>());
  }

  #indexEntries<K extends FactKind>(kind: K, fact: FactTypes[K]): Dependency[] {
    const entries: Dependency[] = [];
    for (const [topic, valuesOf] of getOrAdd(this.#functions, kind, () => this.#functionsOf(kind))) {
      // The table's type has the functions of each kind; TypeScript cannot infer that for a generic K.
      for (const value of valuesOf(fact as never)) if (value !== undefined) entries.push({ topic, value });
    }
    return entries;
  }

  #functionsOf(kind: FactKind): readonly IndexFunction[] {
    return Object.entries(this.#indexes[kind]).map(([index, valuesOf]) => [indexTopic(kind, index), valuesOf]);
  }
}

type IndexFunction = readonly [topic: Topic, valuesOf: (fact: never) => readonly (string | undefined)[]];

const NONE: readonly never[] = [];

/** The index by the objects' own names, except for those that represent something else (a virtual machine's pods). */
const OWN_NAME = "holder";

/** A reader that throws an {@link UnreadFactError} for the unknown fact of an existing object. */
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

/** A reader that records every dependency in `seen`. */
export function recordingReader(facts: FactReader, seen: Dependency[]): FactReader {
  return {
    get: (kind, key) => {
      seen.push(dependency.fact(kind, key));
      return facts.get(kind, key);
    },
    by: (kind, index, value) => {
      seen.push(dependency.index(kind, index, value));
      return facts.by(kind, index, value);
    },
    all: (kind) => {
      seen.push(dependency.all(kind));
      return facts.all(kind);
    },
  };
}
