// SPDX-License-Identifier: Apache-2.0

import { vipOwner } from "../../claims/pod-request.ts";
import { addressConflictOf } from "../../claims/status-address-conflict.ts";
import type { FactReader } from "../../facts/store.ts";
import { textContains } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import type { Note } from "../effects.ts";

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

/** The VIPs in the range of a subnet of the VPC for which ARP and ND are not answered. */
export function unreservedVips(reader: FactReader, vips: readonly string[], vpc: string): readonly Note[] {
  return vips.flatMap((vip) => {
    const subnet = reader
      .by("subnets", "vpc", vpc)
      .find(({ cidr }) => dualValues(cidr).some((text) => textContains(text, vip)));
    if (subnet === undefined || proxiedAddresses(reader, subnet.name).includes(vip)) return [];
    const field = vip.includes(":") ? "v6ip" : "v4ip";
    const message = `VIP ${vip} is in the range of subnet "${subnet.name}", whose pods cannot reach it: create a Vip with spec.subnet "${subnet.name}", type switch_lb_vip and ${field} ${vip}`;
    return [{ reason: "VipNotReserved", message }];
  });
}
