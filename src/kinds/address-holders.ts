// SPDX-License-Identifier: Apache-2.0

import type { Derivation } from "../facts/derivation.ts";
import type { AddressHolderFact } from "../facts/ip.ts";
import type { FactKind } from "../facts/types.ts";
import type { IpRecord } from "../ipam/recorded-lease.ts";
import { KINDS } from "./index.ts";

/** Kind of fact → the addresses of an object that records them itself. */
type HolderOf = (key: string, fact: never) => AddressHolderFact | undefined;

const HOLDER_OF: ReadonlyMap<FactKind, HolderOf> = new Map(
  KINDS.flatMap(({ facts, type, claim }): (readonly [FactKind, HolderOf])[] => {
    const holds: ((fact: never) => IpRecord | undefined) | undefined = claim?.holds;
    if (holds === undefined) return [];
    return [
      [
        facts,
        (key, fact) => {
          const held = holds(fact);
          const { subnet = "", v4 = "", v6 = "" } = held ?? {};
          return held && { key: `${facts}/${key}`, subnet, v4, v6, who: `${type.kind} ${key}` };
        },
      ],
    ];
  }),
);

/**
 * The facts `addressHolders`: the addresses that objects of any kind hold without an IP object. Code that checks whether addresses of a subnet are in
 * use does not need to know the kinds.
 */
export const addressHolders: Derivation<"addressHolders"> = {
  kind: "addressHolders",
  keys: (facts) => [...HOLDER_OF.keys()].flatMap((kind) => facts.all(kind).map(({ key }) => `${kind}/${key}`)),
  changedBy: ({ kind, key }) => (HOLDER_OF.has(kind) ? [`${kind}/${key}`] : []),
  derive: (facts, of) => {
    const at = of.indexOf("/");
    const [kind, key] = [of.slice(0, at) as FactKind, of.slice(at + 1)];
    const fact = facts.get(kind, key);
    return fact && HOLDER_OF.get(kind)?.(key, fact as never);
  },
};
