// SPDX-License-Identifier: Apache-2.0

import type { SubnetContract } from "../../contract/subnet.ts";

/** The MTUs that this node allows for pods, in bytes. */
export interface NodeMtus {
  /** With tunnels in the node's default network. */
  readonly mtu: number;
  /** With tunnels in one of the node's other networks; `undefined` if the node is not in it. */
  plane(network: string): { readonly mtu: number } | undefined;
  /** Of the node's interface to a network outside; `undefined` if the node is not connected to it. */
  uplink(network: string): number | undefined;
}

/**
 * The MTU of a pod's interface, in bytes: `spec.mtu` of its subnet, otherwise that of the interface to the network outside where no packet goes through tunnels, otherwise the daemon's
 * flag `--mtu` (0: not set), otherwise what the tunnels in the network of the subnet (`spec.nodeNetwork`) allow. `contract`: of the subnet; absent, or the message why it is invalid:
 * then `node.mtu`.
 */
export function podMtu(contract: SubnetContract | string | undefined, flag: number, node: NodeMtus): number {
  if (typeof contract !== "object") return node.mtu;
  const { mtu, network, nodeNetwork = "" } = contract;
  const outside = network === undefined ? undefined : node.uplink(network);
  return mtu || outside || flag || node.plane(nodeNetwork)?.mtu || node.mtu;
}
