// SPDX-License-Identifier: Apache-2.0

import type { IpFact } from "../facts/ip.ts";
import type { Want } from "../ipam/types.ts";
import type { Ip } from "../net/address.ts";
import { type Dual, parseDualIp } from "../net/dual.ts";

/** The addresses that an object names; none where what it names is no address. */
export function addressesIn({ v4, v6 }: Pick<IpFact, "v4" | "v6">): Dual<Ip> {
  return parseDualIp([v4, v6].filter((address) => address !== "").join(",")) ?? {};
}

/** What somebody wants whose object names addresses, or leaves the choice open. */
export function requestedAddressesOf(object: Pick<IpFact, "v4" | "v6">): Want & { readonly kind: "static" | "any" } {
  const addresses = addressesIn(object);
  return addresses.v4 === undefined && addresses.v6 === undefined ? { kind: "any" } : { kind: "static", addresses };
}
