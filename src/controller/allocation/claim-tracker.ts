// SPDX-License-Identifier: Apache-2.0

import { type AnyClaimKind, type Claim, claimId, isSameClaim } from "../../claims/claim.ts";
import { splitUnitId, unitId } from "../../desired/unit-kind.ts";
import { type Dependency, includesDependency } from "../../facts/dependency.ts";
import { Dependents } from "../../facts/dependents.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import { type FactReader, type FactStore, recordingReader, strictReader, UnreadFactError } from "../../facts/store.ts";

/** Claims with equal requests: if the first one is refused, the others need not be tried. */
interface WaitQueue {
  readonly rank: number;
  /** Claim → its claimant, in order of arrival. */
  readonly members: Map<string, string>;
}

/**
 * Tracks which claimants must be examined: those whose claims read a fact that has changed since, or wait for something that was released in IPAM. A
 * claimant's id is like a unit's, `<facts>:<key>`.
 */
export class ClaimTracker {
  readonly #facts: FactStore;
  readonly #reader: FactReader;
  readonly #kinds: ReadonlyMap<string, AnyClaimKind>;
  readonly #again: (claimant: string) => void;
  /** Claimant → its claims, if it has any. */
  readonly #claims = new Map<string, readonly Claim[]>();
  readonly #dependents = new Dependents();
  /** rank → ids of claimants and of queues. */
  readonly #dirty: ReadonlyMap<number, Set<string>>;
  /** `queue:…` → the claims in it. */
  readonly #queues = new Map<string, WaitQueue>();
  /** Claim → the id of its queue. */
  readonly #queueOf = new Map<string, string>();
  /** The claimant that was read last and its dependencies, which {@link follow} stores. */
  #reading: { readonly id: string; readonly seen: readonly Dependency[] } | undefined;
  /** The queue whose first claim is being examined. */
  #trying: { readonly queue: string; readonly first: string } | undefined;

  /** `again`: called when a claimant whose claims could not be read must be examined again. */
  constructor(facts: FactStore, kinds: readonly AnyClaimKind[], again: (claimant: string) => void) {
    this.#again = again;
    this.#facts = facts;
    this.#reader = strictReader(facts);
    this.#kinds = new Map(kinds.map((kind) => [kind.facts, kind]));
    const ranks = [...new Set(kinds.map(({ rank }) => rank))].sort((a, b) => a - b);
    this.#dirty = new Map(ranks.map((rank) => [rank, new Set()]));
  }

  /** Marks the claimants that depend on a changed fact, and returns the claimants whose object or record it is. */
  note(change: FactChange): readonly string[] {
    const own = this.#ownersOf(change);
    for (const id of own) this.#mark(id);
    for (const dependency of change.touched) this.touch(dependency);
    return own;
  }

  /** Marks the claimants that depend on or wait for something that is not a fact. */
  touch(dependency: Dependency): void {
    const reading = this.#reading;
    if (reading !== undefined && includesDependency(reading.seen, dependency)) this.#mark(reading.id);
    for (const id of this.#dependents.of(dependency)) this.#mark(id);
  }

  /** Marks all claimants. */
  markAll(): void {
    for (const { facts: kind } of this.#kinds.values()) {
      for (const fact of this.#facts.all(kind)) {
        for (const id of this.#ownersOf({ kind, key: fact.key, new: fact, touched: [] })) this.#mark(id);
      }
    }
  }

  /** The next claimant to examine. Of a queue one after the other, until one continues to wait in it. */
  take(): string | undefined {
    const tried = this.#trying;
    this.#trying = undefined;
    if (tried !== undefined) {
      const [first] = this.#queues.get(tried.queue)?.members.keys() ?? [];
      if (first !== undefined && first !== tried.first) this.#mark(tried.queue);
    }
    for (const dirty of this.#dirty.values()) {
      for (const id of dirty) {
        dirty.delete(id);
        const queue = this.#queues.get(id);
        if (queue === undefined) return id;
        for (const [claim, claimant] of queue.members) {
          this.#trying = { queue: id, first: claim };
          return claimant;
        }
      }
    }
    return undefined;
  }

  /**
   * Reads the claims of a claimant: the current ones and those that have ended. `undefined` if they cannot be read: then they stay until the missing
   * fact is known or, if our own code threw, a pause is over. To be followed by {@link follow}.
   */
  read(id: string): { readonly claims: readonly Claim[]; readonly gone: readonly Claim[] } | undefined {
    const { kind: name, key } = splitUnitId(id);
    const kind = this.#kinds.get(name);
    const { failures } = this.#facts;
    const failure = { part: "claim", where: "", kind: name, key } as const;
    const before = this.#claims.get(id) ?? NONE;
    this.follow();
    const seen: Dependency[] = [];
    let claims: readonly Claim[] | undefined;
    this.#dirty.get(kind?.rank ?? 0)?.delete(id);
    try {
      claims = kind?.read(recordingReader(this.#reader, seen), key);
    } catch (error) {
      this.#dependents.set(id, seen);
      // Claims behind it in a queue need not wait for it.
      for (const claim of before) this.leave(claimId(claim));
      if (!(error instanceof UnreadFactError)) failures.failed(failure, error, () => this.#again(id));
      return undefined;
    }
    failures.succeeded(failure);
    if (claims === undefined) this.#dependents.delete(id);
    else this.#reading = { id, seen };
    if (claims === undefined || claims.length === 0) this.#claims.delete(id);
    else this.#claims.set(id, claims);
    return { claims: claims ?? NONE, gone: before.filter((old) => !claims?.some((claim) => isSameClaim(claim, old))) };
  }

  /** Stores the dependencies of the claimant that was read last: those that its claims have read, or `others` instead. */
  follow(others?: readonly Dependency[]): void {
    if (this.#reading !== undefined) this.#dependents.set(this.#reading.id, others ?? this.#reading.seen);
    this.#reading = undefined;
  }

  /** A claim waits for one of these. All claims in one queue (absent: none) would be refused if one is. */
  wait(claim: string, claimant: string, dependencies: readonly Dependency[], queue = claim): void {
    const id = `queue:${queue}`;
    if (this.#queueOf.get(claim) !== id) {
      this.leave(claim);
      this.#queueOf.set(claim, id);
      const rank = this.#kindOf(claimant)?.rank ?? 0;
      const members = this.#queues.get(id)?.members ?? new Map<string, string>();
      this.#queues.set(id, { rank, members: members.set(claim, claimant) });
    }
    this.#dependents.set(id, dependencies);
  }

  /** A claim does not wait any more. */
  leave(claim: string): void {
    const id = this.#queueOf.get(claim);
    if (id === undefined) return;
    this.#queueOf.delete(claim);
    const queue = this.#queues.get(id);
    queue?.members.delete(claim);
    if (queue === undefined || queue.members.size > 0) return;
    this.#queues.delete(id);
    this.#dependents.delete(id);
    this.#dirty.get(queue.rank)?.delete(id);
  }

  /** Forgets everything. */
  clear(): void {
    this.#claims.clear();
    this.#dependents.clear();
    this.#queues.clear();
    this.#queueOf.clear();
    this.#trying = undefined;
    this.#reading = undefined;
    for (const dirty of this.#dirty.values()) dirty.clear();
  }

  #ownersOf(change: FactChange): readonly string[] {
    const ids: string[] = [];
    // Avoids creating a map iterator for each change of each fact.
    this.#kinds.forEach(({ facts, keysOf }) => {
      if (keysOf !== undefined) for (const key of keysOf(change)) ids.push(unitId(facts, key));
      else if (change.kind === facts) ids.push(unitId(facts, change.key));
    });
    return ids;
  }

  #kindOf(id: string): AnyClaimKind | undefined {
    return this.#kinds.get(splitUnitId(id).kind);
  }

  #mark(id: string): void {
    const rank = this.#queues.get(id)?.rank ?? this.#kindOf(id)?.rank;
    if (rank !== undefined) this.#dirty.get(rank)?.add(id);
  }
}

const NONE: readonly never[] = [];
