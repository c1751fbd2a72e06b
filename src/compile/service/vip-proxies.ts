// SPDX-License-Identifier: Apache-2.0

import { vipOwner } from "../../claims/pod-request.ts";
import { addressConflictOf } from "../../claims/status-address-conflict.ts";
import type { FactReader } from "../../facts/store.ts";

/**
 * The addresses of a subnet for which its router answers ARP and ND (ovn-nb(5) Logical_Switch_Port `arp_proxy`, an option of ports of type `router`
 * only): those of its Vips with `type: switch_lb_vip`, sorted. A port with the address and the router's MAC, as in Kube-OVN, would be a second
 * destination for that MAC in the switch, and OVN would choose either of them for all traffic to the router.
 */
export function proxiedAddresses(reader: FactReader, subnet: string): readonly string[] {
  return reader
    .by("vips", "answered", subnet)
    .filter(({ name }) => addressConflictOf(reader, vipOwner(name)) === undefined)
    .flatMap(({ v4, v6 }) => [v4, v6].filter((address) => address !== ""))
    .sort();
}
