// SPDX-License-Identifier: Apache-2.0

import { ZONE_LABEL } from "../api/annotations.ts";
import type { FactChange } from "../facts/fact-change.ts";
import type { NodeFact } from "../facts/node.ts";
import type { FactStore } from "../facts/store.ts";

/** Keeps the facts `zones`: in which zones there are nodes. So what differs by zone is not woken by each node that comes or goes. */
export class Zones {
  readonly #facts: FactStore;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Takes in all facts at once. */
  start(): void {
    for (const node of this.#facts.all("nodes")) this.#note(zoneOf(node));
  }

  /** A fact has changed. Call it before the units are told. */
  noteFact({ kind, old, new: now }: FactChange): void {
    if (kind !== "nodes") return;
    const zones = [old, now].flatMap((node) => (node === undefined ? [] : zoneOf(node as NodeFact)));
    for (const zone of new Set(zones)) this.#note(zone);
  }

  #note(zone: string): void {
    const any = this.#facts.by("nodes", "zone", zone).length > 0;
    this.#facts.set("zones", zone, any ? { key: zone } : undefined);
  }
}

function zoneOf({ labels }: NodeFact): string {
  return labels[ZONE_LABEL] ?? "";
}
