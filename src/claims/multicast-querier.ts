// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../api/annotations.ts";
import type { SubnetFact } from "../facts/subnet.ts";

/** Whether a subnet has a multicast querier: OVN then queries the multicast groups of its pods. */
export function hasQuerier({ enableMulticastSnoop, provider, protocol, vlan }: SubnetFact): boolean {
  return enableMulticastSnoop && isOvnProvider(provider) && protocol !== "Mac" && vlan === "";
}
