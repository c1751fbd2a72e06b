// SPDX-License-Identifier: Apache-2.0

import type { PortInput } from "./port-input.ts";

/**
 * The options that bind a virtual machine's port to the node of its pod, for the nodes of two of its pods may have an interface for it: while it is moved, and
 * until the runtime has removed the old one. Without them each of the two ovn-controllers would take the port from the other. Nodes are named as in
 * `external_ids:hostname` of their Open vSwitch, as Kube-OVN does.
 *
 * While it is moved the port is on both (ovn-nb(5), `requested-chassis`, `activation-strategy`). The second node gets the port's traffic too, and drops
 * it, and what its pod sends, until that sends a RARP, which QEMU does when the virtual machine goes on there: so the change of nodes waits for no controller.
 */
export function machineOptions({
  pod,
  node,
  target,
}: Pick<PortInput, "pod" | "node" | "target">): Readonly<Record<string, string>> {
  if (pod.holder === pod.key) return {};
  return target === undefined
    ? { "requested-chassis": node }
    : { "requested-chassis": `${node},${target.node}`, "activation-strategy": "rarp" };
}
