// SPDX-License-Identifier: Apache-2.0

import type { Failures } from "../desired/failures.ts";
import { DERIVED_INDEXES, type FactIndexTable, FactStore } from "../facts/store.ts";
import { NORTHBOUND_KINDS, SOUTHBOUND_KINDS } from "./database.ts";
import { KINDS } from "./index.ts";

/** A store of all facts: those of every kind of object and row, and the derived ones. `failures`: see {@link FactStore}. */
export function factStore(failures?: Failures): FactStore {
  const kinds = [...KINDS, ...NORTHBOUND_KINDS, ...SOUTHBOUND_KINDS];
  const declared = Object.fromEntries(kinds.map(({ facts, indexes }) => [facts, indexes]));
  // The types of each kind match its facts; TypeScript cannot infer that for a list.
  return new FactStore({ ...declared, ...DERIVED_INDEXES } as unknown as FactIndexTable, failures);
}
