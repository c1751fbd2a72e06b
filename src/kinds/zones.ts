// SPDX-License-Identifier: Apache-2.0

import { ZONE_LABEL } from "../api/annotations.ts";
import { changeOf, type Derivation } from "../facts/derivation.ts";
import type { NodeFact } from "../facts/node.ts";

/** The facts `zones`: the zones with nodes. Units that depend on zones are not triggered by each added or removed node. */
export const zones: Derivation<"zones"> = {
  kind: "zones",
  keys: (facts) => new Set(facts.all("nodes").map(zoneOf)),
  changedBy: (change) => {
    const { old, new: now } = changeOf("nodes", change) ?? {};
    return new Set([old, now].flatMap((node) => (node === undefined ? [] : zoneOf(node))));
  },
  derive: (facts, zone) => (facts.has("nodes", "zone", zone) ? { key: zone } : undefined),
};

function zoneOf({ labels }: NodeFact): string {
  return labels[ZONE_LABEL] ?? "";
}
