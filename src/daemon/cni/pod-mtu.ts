// SPDX-License-Identifier: Apache-2.0

import type { SubnetContract } from "../../contract/subnet.ts";

/** The MTUs that tunnels of this node allow for pods, in bytes. */
export interface TunnelMtus {
  /** With tunnels in the node's default network. */
  readonly mtu: number;
  /** With tunnels in one of the node's other networks; `undefined` if the node is not in it. */
  plane(network: string): { readonly mtu: number } | undefined;
}

/**
 * The MTU of a pod's interface, in bytes: `spec.mtu` of its subnet, otherwise the daemon's flag `--mtu` (0: not set), otherwise what the tunnels in the
 * network of the subnet (`spec.nodeNetwork`) allow. `contract`: of the subnet; absent, or the message why it is invalid: then `tunnels.mtu`.
 */
export function podMtu(contract: SubnetContract | string | undefined, flag: number, tunnels: TunnelMtus): number {
  if (typeof contract !== "object") return tunnels.mtu;
  return contract.mtu || flag || tunnels.plane(contract.nodeNetwork ?? "")?.mtu || tunnels.mtu;
}
