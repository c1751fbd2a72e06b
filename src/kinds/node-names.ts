// SPDX-License-Identifier: Apache-2.0

import type { Derivation } from "../facts/derivation.ts";

/** The facts `nodeNames`: units that depend on which nodes there are, and on nothing else of them, are not triggered by each change of a node. */
export const nodeNames: Derivation<"nodeNames"> = {
  kind: "nodeNames",
  keys: (facts) => facts.all("nodes").map(({ name }) => name),
  changedBy: ({ kind, key }) => (kind === "nodes" ? [key] : []),
  derive: (facts, key) => (facts.get("nodes", key) === undefined ? undefined : { key }),
};
