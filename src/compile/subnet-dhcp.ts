// SPDX-License-Identifier: Apache-2.0

import { stableMac } from "../desired/identity.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import type { PolicyProblem } from "../policy/types.ts";
import { readDhcpOptions, readRaConfigs } from "./dhcp-options.ts";
import type { FragmentBuilder } from "./fragment-builder.ts";
import { dhcpOptionsId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

/** The address that OVN's DHCP server answers from (Kube-OVN's choice, link-local so that it clashes with nothing). */
const DHCP_SERVER = "169.254.0.254";

/** The DHCP_Options of a subnet with `enableDHCP`, one row for each family (ovn-nb(5) DHCP_Options). */
export function addDhcp(build: FragmentBuilder, subnet: SubnetFact): void {
  if (!subnet.enableDhcp) return;
  const { name, cidr, gateway } = subnet;
  const mac = stableMac(`${name}/dhcp`);
  if (cidr.v4 && gateway.v4) {
    const defaults: Record<string, string> = {
      lease_time: "3600",
      router: gateway.v4,
      server_id: DHCP_SERVER,
      server_mac: mac,
      ...readDhcpOptions(subnet.mtu > 0 ? `mtu=${subnet.mtu}` : "", 4).options,
    };
    build.row("DHCP_Options", dhcpOptionsId(name, 4), {
      cidr: cidr.v4,
      options: { ...defaults, ...readDhcpOptions(subnet.dhcpV4Options, 4).options },
      external_ids: externalIds({ ls: name, protocol: "IPv4" }),
    });
  }
  if (cidr.v6) {
    build.row("DHCP_Options", dhcpOptionsId(name, 6), {
      cidr: cidr.v6,
      options: { server_id: mac, ...readDhcpOptions(subnet.dhcpV6Options, 6).options },
      external_ids: externalIds({ ls: name, protocol: "IPv6" }),
    });
  }
}

/** What of a subnet's DHCP options and router advertisements is left out, where these are in use. */
export function dhcpProblems(subnet: SubnetFact): readonly PolicyProblem[] {
  const { cidr, enableDhcp, enableIpv6Ra, dhcpV4Options, dhcpV6Options, ipv6RaConfigs } = subnet;
  return [
    ...(enableDhcp && cidr.v4 ? readDhcpOptions(dhcpV4Options, 4).problems : []),
    ...(enableDhcp && cidr.v6 ? readDhcpOptions(dhcpV6Options, 6).problems : []),
    ...(enableIpv6Ra && cidr.v6 ? readRaConfigs(ipv6RaConfigs).problems : []),
  ];
}
