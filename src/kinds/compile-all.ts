// SPDX-License-Identifier: Apache-2.0

import type { WeftEffect } from "../compile/effects.ts";
import type { Fragment } from "../desired/fragment.ts";
import { unitId } from "../desired/unit-kind.ts";
import { everyFact, type FactStore } from "../facts/store.ts";
import { rootsOf, UNIT_KINDS } from "./units.ts";

/** Compiles every unit once: the complete desired state of the database. Unit → its fragment, in the order of the kinds of facts. */
export function compileAll(facts: FactStore): ReadonlyMap<string, Fragment<WeftEffect>> {
  const kinds = new Map(UNIT_KINDS.map((kind) => [kind.name, kind]));
  const fragments = new Map<string, Fragment<WeftEffect>>();
  for (const change of everyFact(facts)) {
    for (const { kind, key } of rootsOf(change)) {
      const unit = unitId(kind, key);
      if (fragments.has(unit)) continue;
      const of = kinds.get(kind);
      const input: unknown = of?.read(facts, key);
      if (of !== undefined && input !== undefined) fragments.set(unit, of.compile(input));
    }
  }
  return fragments;
}
