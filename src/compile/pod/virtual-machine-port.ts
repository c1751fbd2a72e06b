// SPDX-License-Identifier: Apache-2.0

import type { PortInput } from "./port-input.ts";

/**
 * The options that bind a virtual machine's port to the node of its pod, because the nodes of two of its pods may
 * have an interface for it: during live migration, and until the runtime has removed the old interface. Without them
 * each of the two ovn-controllers would take the port from the other. Nodes are named as in `external_ids:hostname`
 * of their Open vSwitch, as in Kube-OVN.
 *
 * During migration the port is on both nodes (ovn-nb(5), `requested-chassis`, `activation-strategy`). The second node
 * also receives the port's traffic, and drops it together with the packets of its pod until the pod sends a RARP,
 * which QEMU does when the virtual machine resumes there: so the switch-over does not wait for a controller.
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
