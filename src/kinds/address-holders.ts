// SPDX-License-Identifier: Apache-2.0

import type { FactChange } from "../facts/fact-change.ts";
import type { AddressHolderFact } from "../facts/ip.ts";
import type { FactStore } from "../facts/store.ts";
import type { FactKind } from "../facts/types.ts";
import type { IpRecord } from "../ipam/reserve.ts";
import { KINDS } from "./index.ts";

/** Kind of fact → what an object of it holds, where that is recorded in the object itself. */
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
 * Keeps the facts `addressHolders`: the addresses that objects hold without an IP object, whatever kind they are of. What is asked of a subnet (is an
 * address in use, may it go) need not know the kinds then.
 */
export class AddressHolders {
  readonly #facts: FactStore;
  #started = false;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Takes in all facts at once. */
  start(): void {
    this.#started = true;
    const { failures } = this.#facts;
    for (const kind of HOLDER_OF.keys()) {
      for (const { key } of this.#facts.all(kind)) {
        const subject = { part: "derived fact", where: "addressHolders", kind, key } as const;
        failures.run(subject, () => this.#note(kind, key));
      }
    }
  }

  /** A fact has changed. Call it before the units are told, so that they find what follows from it. */
  noteFact({ kind, key }: FactChange): void {
    if (this.#started) this.#note(kind, key);
  }

  #note(kind: FactKind, key: string): void {
    const holderOf = HOLDER_OF.get(kind);
    if (holderOf === undefined) return;
    const fact = this.#facts.get(kind, key);
    this.#facts.set("addressHolders", `${kind}/${key}`, fact && holderOf(key, fact as never));
  }
}
