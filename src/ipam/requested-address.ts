// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";
import { type Dual, dualValues } from "../net/dual.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { addressInUse, addressOutOfSubnet, addressReserved, poolNotForNamespace } from "./refusal-messages.ts";
import type { SubnetState } from "./subnet.ts";
import type { AddressRequest } from "./types.ts";

/**
 * Whether a subnet can give requested addresses to their owner: the refusal with its message, or `undefined`. An address that another owner holds is
 * refused as `AddressInUse`, unless that owner hands it over (`request.from`).
 */
export function checkRequestedAddresses(
  subnet: SubnetState,
  request: AddressRequest,
  named: Dual<Ip>,
): Refusal | undefined {
  for (const ip of dualValues(named)) {
    if (request.family !== undefined && ip.family !== request.family) {
      const message = `${ip.text} is IPv${ip.family}, but ip_family requests IPv${request.family} only; remove one of them.`;
      return refuse("FamilyMismatch", message, { subnet: subnet.name, value: ip.text });
    }
    const space = subnet.has(ip.family) ? subnet.space(ip.family) : undefined;
    const at = space?.offset(ip);
    const zone = at === undefined ? undefined : space?.zoneOf(at);
    if (space === undefined || at === undefined || zone === undefined) return addressOutOfSubnet(subnet, ip);
    if (zone.kind !== "auto" && zone.kind !== "excluded") return addressReserved(subnet, ip, zone);
    const holder = space.holder(at);
    // The current holder keeps it, even if the pool is reserved for other namespaces now.
    if (holder?.owner === request.owner) continue;
    if (!subnet.poolIsFor(zone.pool, request.namespace))
      return poolNotForNamespace(subnet, zone.pool, request.namespace, ip);
    if (holder !== undefined && holder.owner !== request.from) return addressInUse(subnet, ip, holder.owner);
  }
  return undefined;
}
