import type { SubnetFact } from "../facts/types.ts";
import { stableMac } from "../unit/identity.ts";
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
      ...(subnet.mtu > 0 && { mtu: String(subnet.mtu) }),
    };
    build.row("DHCP_Options", dhcpOptionsId(name, 4), {
      cidr: cidr.v4,
      options: { ...defaults, ...parseOptions(subnet.dhcpV4Options) },
      external_ids: externalIds({ ls: name, protocol: "IPv4" }),
    });
  }
  if (cidr.v6) {
    build.row("DHCP_Options", dhcpOptionsId(name, 6), {
      cidr: cidr.v6,
      options: { server_id: mac, ...parseOptions(subnet.dhcpV6Options) },
      external_ids: externalIds({ ls: name, protocol: "IPv6" }),
    });
  }
}

/** `key=value` pairs by commas; a comma inside braces belongs to the value: `dns_server={8.8.8.8,1.1.1.1}`. */
export function parseOptions(text: string): Readonly<Record<string, string>> {
  const options: Record<string, string> = {};
  for (const entry of text.split(/,(?![^{]*\})/)) {
    const equals = entry.indexOf("=");
    if (equals > 0) options[entry.slice(0, equals).trim()] = entry.slice(equals + 1).trim();
  }
  return options;
}
