// SPDX-License-Identifier: Apache-2.0

import type { FactChange } from "./fact-change.ts";
import type { FactStore } from "./store.ts";
import type { DerivedKind, FactTypes } from "./types.ts";

/** Maintains facts that depend on other facts only, independent of the order of changes. */
export interface Deriver {
  /** Processes all facts at once. */
  start(): void;
  /** A fact has changed. Called before units are notified, so that they see the derived facts; never before {@link start}. */
  noteFact(change: FactChange): void;
}

/** A kind of derived facts, each of which depends on few others. */
export interface Derivation<K extends DerivedKind> {
  readonly kind: K;
  /** The keys of possible facts. */
  keys(facts: FactStore): Iterable<string>;
  /** The keys of derived facts that a change may affect. */
  changedBy(change: FactChange, facts: FactStore): Iterable<string>;
  /** The fact of a key; `undefined` if there is none. If it throws, the earlier fact stays, and it is retried. */
  derive(facts: FactStore, key: string): FactTypes[K] | undefined;
}

/** Maintains the facts of a derivation. */
export function deriverOf<K extends DerivedKind>(
  facts: FactStore,
  { kind, keys, changedBy, derive }: Derivation<K>,
): Deriver {
  const settle = (changed: Iterable<string>): void => {
    for (const key of changed) {
      const subject = { part: "derived fact", where: kind, kind, key } as const;
      facts.failures.run(subject, () => void facts.set(kind, key, derive(facts, key)));
    }
  };
  return {
    start: () => settle(keys(facts)),
    noteFact: (change) => settle(changedBy(change, facts)),
  };
}

/** A change as one of a fact of that kind; `undefined` for other kinds. */
export function changeOf<K extends keyof FactTypes>(kind: K, change: FactChange): FactChange<K> | undefined {
  return change.kind === kind ? (change as FactChange as FactChange<K>) : undefined;
}
