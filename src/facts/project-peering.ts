// SPDX-License-Identifier: Apache-2.0

import type { VpcPeering } from "../api/generated/vpc.ts";
import { PROBE_NETWORK } from "../api/names.ts";
import { isStorable, quoted } from "../api/text.ts";
import { hostPrefix, parseIp } from "../net/address.ts";
import { AddressTable } from "../net/address-table.ts";
import { broadcastAddress, cidrContains, cidrsOverlap, parseCidr } from "../net/cidr.ts";
import { type Dual, dualValues } from "../net/dual.ts";
import type { LinkAddress, PeeringFact, VpcFact } from "./vpc.ts";

type Problem = VpcFact["problems"][number];

/**
 * The peerings of a spec. An invalid one is left out; one with a valid VPC but an invalid address is kept without addresses, so that the one that was
 * active before can stay. Problems are added to `problems`. `former`: those that were active.
 */
export function projectPeerings(
  entries: readonly Partial<VpcPeering>[],
  vpc: string,
  problems: Problem[],
  former: readonly PeeringFact[] = [],
): readonly PeeringFact[] {
  const found: PeeringFact[] = [];
  for (const [i, { remoteVpc = "", localConnectIP = "" }] of entries.entries()) {
    const path = `spec.vpcPeerings[${i}]`;
    const wrong = (field: string, reason: string, message: string): void =>
      void problems.push({ path: `${path}.${field}`, reason, message });
    const twin = found.find((other) => other.remoteVpc === remoteVpc);
    if (remoteVpc === "" || !isStorable(remoteVpc))
      wrong("remoteVpc", "InvalidPeering", `${quoted(remoteVpc)} is not the name of a VPC`);
    else if (remoteVpc === vpc) wrong("remoteVpc", "InvalidPeering", "a VPC cannot be peered with itself");
    else if (twin !== undefined)
      wrong("remoteVpc", "InvalidPeering", `${twin.path} is a peering with VPC ${quoted(remoteVpc)} already`);
    else {
      const read = readLink(localConnectIP);
      if ("wrong" in read) wrong("localConnectIP", read.reason ?? "InvalidPeering", read.wrong);
      found.push({ path, remoteVpc, local: "wrong" in read ? {} : read.local });
    }
  }
  const networks = new AddressTable();
  for (const [i, one] of [...found, ...former].entries()) networks.set(`${i} ${one.remoteVpc}`, [networksOf(one)]);
  return found.map((entry) => {
    const { v4, v6 } = networks.overlapping(networksOf(entry));
    const vpcs = new Set([...v4, ...v6].map((name) => name.slice(name.indexOf(" ") + 1)));
    vpcs.delete(entry.remoteVpc);
    return vpcs.size === 0 ? entry : { ...entry, rivals: [...vpcs].sort() };
  });
}

function networksOf({ local: { v4, v6 } }: PeeringFact): Dual<string> {
  return { ...(v4 && { v4: v4.network }), ...(v6 && { v6: v6.network }) };
}

/** A peering in the API. */
export function peeringAsWritten({ remoteVpc, local }: PeeringFact): Required<VpcPeering> {
  const addresses = dualValues(local).map(({ address, network }) => `${address}/${network.split("/")[1]}`);
  return { remoteVpc, localConnectIP: addresses.join(",") };
}

function readLink(
  text: string,
): { readonly local: Dual<LinkAddress> } | { readonly wrong: string; readonly reason?: string } {
  const example = "give one such as 169.254.0.1/30, or one of each family separated by a comma";
  const local: { v4?: LinkAddress; v6?: LinkAddress } = {};
  for (const part of text.split(",").map((one) => one.trim())) {
    const network = parseCidr(part);
    const ip = parseIp(part.split("/")[0] ?? "");
    if (network === undefined || ip === undefined || !part.includes("/"))
      return { wrong: `${quoted(part)} is not an address with a prefix length; ${example}` };
    const family = ip.family === 4 ? "v4" : "v6";
    if (local[family] !== undefined) return { wrong: `${quoted(text)} has two addresses of one family; ${example}` };
    const reserved = ip.value === network.base || ip.value === broadcastAddress(network)?.value;
    if (network.prefix === hostPrefix(ip.family))
      return { wrong: `${quoted(part)} leaves no address for the other router; ${example}` };
    if (ip.family === 4 && network.prefix < 31 && reserved)
      return { wrong: `${quoted(part)} is the network's own or its broadcast address; ${example}` };
    const probes = parseCidr(PROBE_NETWORK[family].cidr);
    if (probes !== undefined && cidrContains(probes, ip))
      return {
        wrong: `${ip.text} is reserved for kubelet's probes (${probes.text}); choose another network`,
        reason: "PeeringConflict",
      };
    local[family] = { address: ip.text, network: network.text };
  }
  return { local };
}

/** Whether two peerings of a VPC have overlapping networks. */
export function linksOverlap(a: PeeringFact, b: PeeringFact): boolean {
  return (["v4", "v6"] as const).some((family) => {
    const [mine, theirs] = [parseCidr(a.local[family]?.network ?? ""), parseCidr(b.local[family]?.network ?? "")];
    return mine !== undefined && theirs !== undefined && cidrsOverlap(mine, theirs);
  });
}
