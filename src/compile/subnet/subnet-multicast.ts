// SPDX-License-Identifier: Apache-2.0

import { multicastQuerierName } from "../../api/port-names.ts";
import { hasQuerier } from "../../claims/multicast-querier.ts";
import { isOfSubnet } from "../../claims/subnet-addresses.ts";
import { querierVerdictKey } from "../../claims/verdict-keys.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { linkLocalFromMac } from "../../net/mac.ts";
import type { Note } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { querierPortId, switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { isInSubnet } from "./subnet-localnet.ts";

/** The input of a subnet's multicast configuration. */
export interface MulticastInput {
  /** The record of its querier's address. */
  readonly querier: IpFact | undefined;
  /** Why the querier has no address. */
  readonly refusal: { readonly reason: string; readonly message: string } | undefined;
}

/** Reads the input. */
export function readMulticast(reader: FactReader, subnet: SubnetFact): MulticastInput {
  const querier = querierOf(reader, subnet.name);
  const refused =
    querier === undefined && hasQuerier(subnet) ? reader.get("verdicts", querierVerdictKey(subnet.name)) : undefined;
  return { querier, refusal: refused && { reason: refused.reason, message: refused.message } };
}

/** The record of the address of a subnet's querier. */
function querierOf(reader: FactReader, subnet: string): IpFact | undefined {
  const record = reader.get("ips", multicastQuerierName(subnet));
  return record !== undefined && isOfSubnet(record, subnet) ? record : undefined;
}

/** The subnet's querier, if it has an address. */
function activeQuerier(subnet: SubnetFact, { querier }: MulticastInput): IpFact | undefined {
  const isOurs = querier !== undefined && hasQuerier(subnet) && !querier.deleting && querier.mac !== "";
  return isOurs && isInSubnet(subnet, querier) ? querier : undefined;
}

/**
 * `other_config` of the switch (ovn-nb(5), "IP Multicast Snooping Options"). MLD queries must come from a link-local address (RFC 3810 §5.1.14), so
 * the one of the querier's MAC is used. Memberships would expire without a querier, so nothing is set until it has its address.
 */
export function multicastConfig(subnet: SubnetFact, input: MulticastInput): Readonly<Record<string, string>> {
  const querier = activeQuerier(subnet, input);
  if (querier === undefined) return {};
  const linkLocal = subnet.cidr.v6 === undefined ? undefined : linkLocalFromMac(querier.mac)?.text;
  return {
    mcast_snoop: "true",
    mcast_querier: "true",
    mcast_eth_src: querier.mac,
    ...(querier.v4 !== "" && { mcast_ip4_src: querier.v4 }),
    ...(linkLocal !== undefined && { mcast_ip6_src: linkLocal }),
  };
}

/** The querier's port, which keeps its addresses from other clients of the database, as in Kube-OVN. No node binds it. */
export function addQuerierPort(build: FragmentBuilder, subnet: SubnetFact, input: MulticastInput): void {
  const querier = activeQuerier(subnet, input);
  if (querier === undefined) return;
  const { mac, v4, v6, name } = querier;
  build.held("Logical_Switch", switchId(subnet.name), "ports", "Logical_Switch_Port", querierPortId(subnet.name), {
    name,
    type: "",
    addresses: [[mac, v4, v6].filter((part) => part !== "").join(" ")],
    external_ids: externalIds({ ls: subnet.name }),
  });
}

/** The querier in the subnet's status. */
export function multicastStatus(subnet: SubnetFact, input: MulticastInput): Readonly<Record<string, string>> {
  const { mac = "", v4 = "", v6 = "" } = activeQuerier(subnet, input) ?? {};
  return { mcastQuerierIP: [v4, v6].filter((part) => part !== "").join(","), mcastQuerierMAC: mac };
}

/** Whether the querier's record stays: snooping is on, and the address is in the range. */
export function keepsQuerier(subnet: SubnetFact, input: MulticastInput): boolean {
  return activeQuerier(subnet, input) !== undefined;
}

/** Problems, for the subnet's condition. */
export function multicastNotes(subnet: SubnetFact, { refusal }: MulticastInput): readonly Note[] {
  if (!subnet.enableMulticastSnoop) return [];
  if (!hasQuerier(subnet)) {
    const message = "spec.enableMulticastSnoop has no effect: the subnet has no switch with addresses in OVN";
    return [{ reason: "NotSupported", message }];
  }
  if (refusal === undefined) return [];
  const message = `multicast is sent to all ports until the querier has an address (spec.enableMulticastSnoop): ${refusal.message}`;
  return [{ reason: refusal.reason, message }];
}
