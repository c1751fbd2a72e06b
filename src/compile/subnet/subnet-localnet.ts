// SPDX-License-Identifier: Apache-2.0

import { localnetPortName } from "../../api/names.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { hasLocalnet } from "../../facts/underlay.ts";
import { parseIp } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** The external network to which a subnet's switch is connected. */
export interface Localnet {
  /** Its name in `ovn-bridge-mappings` of nodes. */
  readonly network: string;
  /** VLAN id of the frames outside; 0 for frames without a tag. */
  readonly tag: number;
}

/** The network of a subnet; undefined if it has none, or if its Vlan does not exist. */
export function readLocalnet(reader: FactReader, subnet: Pick<SubnetFact, "vlan" | "provider">): Localnet | undefined {
  if (!hasLocalnet(subnet)) return undefined;
  const vlan = reader.get("vlans", subnet.vlan);
  if (vlan === undefined || vlan.network === "") return undefined;
  return { network: vlan.network, tag: vlan.id };
}

/** Adds the port of a switch towards the external network (ovn-nb(5), Logical_Switch_Port type `localnet`). */
export function addLocalnet(build: FragmentBuilder, { name, cidr }: SubnetFact, localnet: Localnet): void {
  const port = localnetPortName(name);
  build.held("Logical_Switch", switchId(name), "ports", "Logical_Switch_Port", port, {
    name: port,
    type: "localnet",
    addresses: ["unknown"],
    options: { network_name: localnet.network },
    tag: localnet.tag === 0 ? undefined : localnet.tag,
    external_ids: externalIds({
      ls: name,
      ...(cidr.v4 !== undefined && { ipv4_network: cidr.v4 }),
      ...(cidr.v6 !== undefined && { ipv6_network: cidr.v6 }),
    }),
  });
}

/** Whether all addresses of a record are in the subnet. */
export function isInSubnet({ cidr }: Pick<SubnetFact, "cidr">, ip: Pick<IpFact, "v4" | "v6">): boolean {
  return (["v4", "v6"] as const).every((family) => {
    const [address, block] = [parseIp(ip[family]), parseCidr(cidr[family] ?? "")];
    return address === undefined || (block !== undefined && cidrContains(block, address));
  });
}
