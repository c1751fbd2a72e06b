// SPDX-License-Identifier: Apache-2.0

import { stableMac } from "../../desired/identity.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import type { PolicyProblem } from "../../policy/types.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { dhcpOptionsId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { readDhcpOptions, readRaConfigs } from "./read-dhcp-options.ts";

/** The server address of OVN's DHCP (Kube-OVN's choice; link-local, so that it conflicts with nothing). */
const DHCP_SERVER = "169.254.0.254";

/** The DHCP_Options of a subnet with `enableDHCP`, one row for each family (ovn-nb(5) DHCP_Options). */
export function addDhcp(build: FragmentBuilder, subnet: SubnetFact): void {
  if (!subnet.enableDhcp) return;
  for (const family of [4, 6] as const) {
    const { options } = readDhcpOptions(family === 4 ? subnet.dhcpV4Options : subnet.dhcpV6Options, family);
    const row = dhcpRow(subnet, family, options);
    if (row !== undefined) build.row("DHCP_Options", dhcpOptionsId(subnet.name, family), row);
  }
}

/** A row of DHCP_Options for a subnet of the family, with defaults for options that are not set; undefined if the subnet does not have the family. */
export function dhcpRow(
  { name, cidr, gateway, mtu }: SubnetFact,
  family: 4 | 6,
  options: Readonly<Record<string, string>>,
  ids: Readonly<Record<string, string>> = {},
) {
  const mac = stableMac(`${name}/dhcp`);
  if (family === 6) {
    if (cidr.v6 === undefined) return undefined;
    const external_ids = externalIds({ ls: name, protocol: "IPv6", ...ids });
    return { cidr: cidr.v6, options: { server_id: mac, ...options }, external_ids };
  }
  if (cidr.v4 === undefined || gateway.v4 === undefined) return undefined;
  const defaults = {
    lease_time: "3600",
    router: gateway.v4,
    server_id: DHCP_SERVER,
    server_mac: mac,
    ...readDhcpOptions(mtu > 0 ? `mtu=${mtu}` : "", 4).options,
  };
  const external_ids = externalIds({ ls: name, protocol: "IPv4", ...ids });
  return { cidr: cidr.v4, options: { ...defaults, ...options }, external_ids };
}

/** The DHCP options and router advertisement options that are left out, if they are in use. */
export function dhcpProblems(subnet: SubnetFact): readonly PolicyProblem[] {
  const { cidr, enableDhcp, enableIpv6Ra, dhcpV4Options, dhcpV6Options, ipv6RaConfigs } = subnet;
  return [
    ...(enableDhcp && cidr.v4 ? readDhcpOptions(dhcpV4Options, 4).problems : []),
    ...(enableDhcp && cidr.v6 ? readDhcpOptions(dhcpV6Options, 6).problems : []),
    ...(enableIpv6Ra && cidr.v6 ? readRaConfigs(ipv6RaConfigs).problems : []),
  ];
}
