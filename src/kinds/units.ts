// SPDX-License-Identifier: Apache-2.0

import { DENY_ALL_GROUP } from "../api/names.ts";
import type { WeftEffect } from "../compile/effects.ts";
import { gatewayUnit } from "../compile/gateway/gateway.ts";
import { groupUnit } from "../compile/group.ts";
import { chassisUnit } from "../compile/node/chassis.ts";
import { SAMPLING, samplingUnit } from "../compile/sampling.ts";
import type { AnyUnitKind } from "../desired/unit-kind.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { FactReader } from "../facts/store.ts";
import type { FactKind } from "../facts/types.ts";
import { KINDS } from "./index.ts";
import type { Root } from "./kind.ts";
import { securityGroupUnit } from "./security-group.ts";

/**
 * Every kind of unit, for the engine: those of objects, of groups that policies share, of nodes' variables, and of the rows that monitor gateway
 * nodes.
 */
export const UNIT_KINDS: readonly AnyUnitKind<FactReader, WeftEffect>[] = [
  ...KINDS.flatMap(({ unit }) => unit ?? []),
  groupUnit,
  chassisUnit,
  gatewayUnit,
  samplingUnit,
];

type RootsOfChange = (change: FactChange) => readonly Root[];

const ROOTS: ReadonlyMap<FactKind, RootsOfChange> = new Map<FactKind, RootsOfChange>([
  ...KINDS.flatMap(({ facts, accepted, unit, roots }): (readonly [FactKind, RootsOfChange])[] => {
    // The type of each kind's roots matches its facts; TypeScript cannot infer that for a list.
    if (roots !== undefined) {
      return [
        [
          facts,
          ({ key, old, new: now }) =>
            // An object that could not be read: only the unit with its own key is known.
            unit !== undefined && old === undefined && now === undefined
              ? [{ kind: unit.name, key }]
              : roots(old as never, now as never),
        ],
      ];
    }
    return unit === undefined ? [] : [[accepted ?? facts, ({ key }) => [{ kind: unit.name, key }]]];
  }),
  ["groups", ({ key }) => [{ kind: groupUnit.name, key }]],
  ["gatewayGroups", ({ key }) => [{ kind: gatewayUnit.name, key }]],
  [
    "cluster",
    () => [
      { kind: securityGroupUnit.name, key: DENY_ALL_GROUP },
      { kind: samplingUnit.name, key: SAMPLING },
    ],
  ],
]);

/** The units that exist because of a fact. */
export function rootsOf(change: FactChange): readonly Root[] {
  return ROOTS.get(change.kind)?.(change) ?? [];
}
