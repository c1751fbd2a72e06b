import { DERIVED_INDEXES, type FactIndexTable, FactStore } from "../facts/store.ts";
import type { Failures } from "../unit/failures.ts";
import { KINDS } from "./index.ts";

/** A store of all facts: those of every kind of object, and those that follow from them. `failures`: see {@link FactStore}. */
export function factStore(failures?: Failures): FactStore {
  const declared = Object.fromEntries(KINDS.map(({ facts, indexes }) => [facts, indexes]));
  // The kinds' own types tie each of them to its facts; TypeScript cannot follow that through a list.
  return new FactStore({ ...declared, ...DERIVED_INDEXES } as unknown as FactIndexTable, failures);
}
