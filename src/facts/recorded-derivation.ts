// SPDX-License-Identifier: Apache-2.0

import type { Dependency } from "./dependency.ts";
import { Dependents } from "./dependents.ts";
import type { Deriver } from "./derivation.ts";
import { type FactReader, type FactStore, recordingReader, strictReader } from "./store.ts";
import type { DerivedKind, FactKind, FactTypes } from "./types.ts";

/** A kind of derived facts with the keys of another kind. Each is computed again when a fact that it read changes. */
export interface RecordedDerivation<K extends DerivedKind, O extends FactKind> {
  readonly kind: K;
  /** The kind of facts with the same keys. */
  readonly of: O;
  /** The derived fact of a fact; `undefined` if there is none. If it throws, the earlier fact stays, and it is retried. */
  derive(reader: FactReader, fact: FactTypes[O]): FactTypes[K] | undefined;
}

/** Maintains the facts of a derivation. */
export function recordedDeriver<K extends DerivedKind, O extends FactKind>(
  facts: FactStore,
  { kind, of, derive }: RecordedDerivation<K, O>,
): Deriver {
  const dependents = new Dependents();
  const settle = (key: string): void => {
    const subject = { part: "derived fact", where: kind, kind: of, key } as const;
    facts.failures.run(subject, () => {
      const seen: Dependency[] = [];
      try {
        const fact = facts.get(of, key);
        facts.set(kind, key, fact && derive(recordingReader(strictReader(facts), seen), fact));
      } finally {
        dependents.set(key, seen);
      }
    });
  };
  return {
    start() {
      for (const { key } of facts.all(of)) settle(key);
    },
    noteFact({ kind: changed, key, touched }) {
      const concerned = new Set(touched.flatMap((dependency) => dependents.of(dependency)));
      if (changed === of) concerned.add(key);
      for (const one of concerned) settle(one);
    },
  };
}
