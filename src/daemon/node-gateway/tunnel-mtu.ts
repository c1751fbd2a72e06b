// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import type { NodeKernel } from "../../node/kernel.ts";

/** Bytes of overhead of a tunnel, as Kube-OVN counts them (with room for Geneve options). */
const OVERHEAD: Readonly<Record<string, number>> = { geneve: 100, vxlan: 50, stt: 72 };
/** The additional length of an IPv6 header. */
const IPV6_MORE = 20;

/** The end of this node's tunnels: `ovn-encap-type` and `ovn-encap-ip` of Open_vSwitch's external_ids (ovn-controller(8)). */
export interface Encap {
  readonly type: string;
  readonly ip: string;
}

/** MTU of packets in the tunnels of an interface with `linkMtu`. Pure. */
export function tunnelMtu(linkMtu: number, encap: Encap): number {
  // ovn-encap-type may list several types; the largest overhead fits all.
  const overheads = encap.type.split(",").map((type) => OVERHEAD[type.trim()] ?? 100);
  return linkMtu - Math.max(...overheads) - (encap.ip.includes(":") ? IPV6_MORE : 0);
}

/** The interface that holds the encap address; undefined where none does (yet). */
export function encapLink(
  kernel: Pick<NodeKernel, "addresses" | "links">,
  encap: Encap,
): { readonly index: number; readonly mtu: number } | undefined {
  // `ovn-encap-ip` may list several addresses; the first one's interface is used.
  const ip = parseIp(encap.ip.split(",")[0]?.trim() ?? "")?.text;
  const address = kernel.addresses().find((candidate) => candidate.address === ip);
  const link = kernel.links().find(({ index }) => index === address?.index);
  return link === undefined ? undefined : { index: link.index, mtu: link.mtu };
}
