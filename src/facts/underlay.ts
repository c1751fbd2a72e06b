// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../api/annotations.ts";
import type { SubnetFact } from "./subnet.ts";

/**
 * Whether a subnet is an underlay subnet, of a network outside the cluster with a router there. The vlan of another
 * plugin's interfaces is handled by that plugin.
 */
export function isUnderlay({ vlan, provider }: Pick<SubnetFact, "vlan" | "provider">): boolean {
  return vlan !== "" && isOvnProvider(provider);
}
