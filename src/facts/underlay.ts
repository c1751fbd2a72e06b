// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../api/annotations.ts";
import type { SubnetFact } from "./subnet.ts";

/** Whether the switch of a subnet is connected to an external network. The vlan of another plugin's interfaces is handled by that plugin. */
export function hasLocalnet({ vlan, provider }: Pick<SubnetFact, "vlan" | "provider">): boolean {
  return vlan !== "" && isOvnProvider(provider);
}

/** Whether a subnet is an underlay subnet, of an external network whose router is there too: its gateway is not the VPC's router. */
export function isUnderlay(subnet: Pick<SubnetFact, "vlan" | "provider" | "logicalGateway">): boolean {
  return hasLocalnet(subnet) && !subnet.logicalGateway;
}

/** Whether the router of its VPC has a port in the subnet, or is to have one. */
export function isRouted(subnet: Pick<SubnetFact, "vlan" | "provider" | "logicalGateway" | "u2o">): boolean {
  return isOvnProvider(subnet.provider) && (!isUnderlay(subnet) || subnet.u2o !== undefined);
}
