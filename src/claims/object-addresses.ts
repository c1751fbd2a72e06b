// SPDX-License-Identifier: Apache-2.0

import type { IpFact } from "../facts/ip.ts";
import type { Want } from "../ipam/types.ts";
import type { Ip } from "../net/address.ts";
import { type Dual, parseDualIp } from "../net/dual.ts";

/** The valid addresses that an object names. */
export function addressesIn({ v4, v6 }: Pick<IpFact, "v4" | "v6">): Dual<Ip> {
  return parseDualIp([v4, v6].filter((address) => address !== "").join(",")) ?? {};
}

/** The request of an object that names addresses, or any address if it names none. */
export function requestedAddressesOf(object: Pick<IpFact, "v4" | "v6">): Want & { readonly kind: "static" | "any" } {
  const addresses = addressesIn(object);
  return addresses.v4 === undefined && addresses.v6 === undefined ? { kind: "any" } : { kind: "static", addresses };
}
