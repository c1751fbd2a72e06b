// SPDX-License-Identifier: Apache-2.0

import { EXTERNAL_GATEWAY_LABEL, NODE } from "../../api/annotations.ts";
import { changeOf, type Derivation } from "../../facts/derivation.ts";
import { EXTERNAL_GATEWAYS } from "../../facts/external.ts";
import type { NodeFact } from "../../facts/node.ts";

/**
 * The fact `externalGateways`: the nodes that may host routers' ports in external subnets, as in Kube-OVN by their label. Readiness of nodes is not considered: OVN moves
 * a port when a chassis dies. Nodes without a chassis are left out.
 */
export const externalGateways: Derivation<"externalGateways"> = {
  kind: "externalGateways",
  keys: () => [EXTERNAL_GATEWAYS],
  changedBy: (change) => {
    const node = changeOf("nodes", change);
    return node !== undefined && chassisOf(node.old) !== chassisOf(node.new) ? [EXTERNAL_GATEWAYS] : [];
  },
  derive: (facts, key) => ({
    key,
    nodes: facts
      .all("nodes")
      .flatMap((node) => {
        const chassis = chassisOf(node);
        return chassis === undefined ? [] : [{ name: node.name, chassis }];
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      // Two nodes that report the same chassis, such as copies of a machine, are one candidate.
      .filter(({ chassis }, i, all) => all.findIndex((other) => other.chassis === chassis) === i),
  }),
};

/** The chassis of a node that may host such ports; undefined for other nodes. */
function chassisOf(node: NodeFact | undefined): string | undefined {
  if (node?.labels[EXTERNAL_GATEWAY_LABEL] !== "true") return undefined;
  return node.annotations[NODE.chassis] || undefined;
}
