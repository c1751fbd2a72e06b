// SPDX-License-Identifier: Apache-2.0

import type { Finding } from "./finding.ts";
import type { SeenNode } from "./on-node/node-view.ts";

/** Addresses that another machine on the same physical network has. */
export function diagnoseDuplicates(node: string, { duplicates }: SeenNode): readonly Finding[] {
  return duplicates.map(({ address, mac, pod }) => ({
    ...(pod === undefined
      ? ({ area: "node", object: `Node ${node}` } as const)
      : ({ area: "pod", object: `Pod ${pod}` } as const)),
    severity: "error",
    problem: `its address ${address} is used by another machine, ${mac}`,
    evidence: `${mac} answers for ${address} on the wire (${address.includes(":") ? "neighbour solicitation" : "ARP probe"} from the interface that has it)`,
    remedy:
      pod === undefined
        ? `find the machine with ${mac} by the tables of the switches, and give it another address`
        : `find the machine with ${mac} by the tables of the switches and give it another address, or add ${address} to spec.excludeIps of the Subnet and restart the pod`,
  }));
}
