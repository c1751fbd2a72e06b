// SPDX-License-Identifier: Apache-2.0

import { getOrAdd } from "../../collections/get-or-add.ts";
import type { StaticRouteFact } from "../../facts/vpc.ts";
import { parseIp } from "../../net/address.ts";
import { AddressTable } from "../../net/address-table.ts";
import { type Cidr, cidrContains, cidrContainsCidr, cidrsOverlap, hostCidr, parseCidr } from "../../net/cidr.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import type { Note } from "../effects.ts";
import type { ConnectedRange, PeeringLink } from "./vpc-peerings.ts";

/** What a router drops of its peers' packets because of their sources. */
export interface PeerSources {
  /** Remote VPC → ranges. */
  readonly dropped: ReadonlyMap<string, readonly string[]>;
  readonly notes: readonly Note[];
}

/**
 * Decides from which of a VPC's peers an address comes that subnets of several of them contain: rules that select pods of one peer match addresses, so they would let in
 * pods of the other one. As with strict reverse path forwarding (RFC 3704 §2.2), the peer is the one to which the VPC's static routes lead; packets with such a
 * source from the others are dropped. If the routes lead to several of them, or to none, nothing is dropped, and a note says so.
 *
 * `rangesOf`: remote VPC → the ranges of its subnets.
 */
export function peerSources(
  links: readonly PeeringLink[],
  rangesOf: Readonly<Record<string, readonly ConnectedRange[]>>,
  staticRoutes: readonly StaticRouteFact[],
): PeerSources {
  const dropped = new Map<string, Set<string>>();
  const unclear = new Map<string, ReadonlySet<string>>();
  const towards = routesTo(links, staticRoutes);
  for (const { shared, vpcs } of sharedRanges(links, rangesOf)) {
    const [leader, ...others] = leadsTo(towards, shared);
    if (leader === undefined || others.length > 0 || !vpcs.has(leader)) unclear.set(shared.text, vpcs);
    else for (const vpc of vpcs) if (vpc !== leader) getOrAdd(dropped, vpc, () => new Set<string>()).add(shared.text);
  }
  return {
    dropped: new Map([...dropped].map(([vpc, ranges]) => [vpc, [...ranges].sort()])),
    notes: [...unclear].slice(0, NAMED).map(([range, vpcs]) => overlapNote(range, vpcs, unclear.size)),
  };
}

/** How many ranges, and how many VPCs of each, notes name. */
const NAMED = 3;

function overlapNote(range: string, vpcs: ReadonlySet<string>, ranges: number): Note {
  const named = [...vpcs]
    .sort()
    .slice(0, NAMED)
    .map((vpc) => `"${vpc}"`)
    .join(", ");
  const more = vpcs.size > NAMED ? ` and ${vpcs.size - NAMED} more` : "";
  const further = ranges > NAMED ? ` (${ranges} such ranges)` : "";
  const message = `the peered VPCs ${named}${more} have ${range} in common${further}, and staticRoutes do not lead to exactly one of them: policies that select pods of one also match pods of the others`;
  return { reason: "PeersOverlap", message };
}

/** The ranges that several peers have, with these peers. */
function sharedRanges(
  links: readonly PeeringLink[],
  rangesOf: Readonly<Record<string, readonly ConnectedRange[]>>,
): readonly { readonly shared: Cidr; readonly vpcs: ReadonlySet<string> }[] {
  if (links.length < 2) return [];
  const holders = new Map<string, Set<string>>();
  for (const { remoteVpc } of links)
    for (const { cidr } of rangesOf[remoteVpc] ?? []) getOrAdd(holders, cidr, () => new Set<string>()).add(remoteVpc);
  const table = new AddressTable();
  const dual = (cidr: string): Dual<string> => (cidr.includes(":") ? { v6: cidr } : { v4: cidr });
  for (const cidr of holders.keys()) table.set(cidr, [dual(cidr)]);
  return [...holders].flatMap(([cidr, own]) => {
    const block = parseCidr(cidr);
    const { v4, v6 } = table.overlapping(dual(cidr));
    // Of two ranges that overlap one contains the other.
    const around = [...v4, ...v6].filter((other) => {
      const outer = parseCidr(other);
      return block !== undefined && outer !== undefined && cidrContainsCidr(outer, block);
    });
    const vpcs = new Set([...own, ...around.flatMap((other) => [...(holders.get(other) ?? [])])]);
    return block === undefined || vpcs.size < 2 ? [] : [{ shared: block, vpcs }];
  });
}

interface RouteTo {
  readonly block: Cidr;
  readonly vpc: string;
}

/** The routes by destination, in any routing table, to a peer. */
function routesTo(links: readonly PeeringLink[], routes: readonly StaticRouteFact[]): readonly RouteTo[] {
  const networks = links.flatMap(({ remoteVpc, local }) =>
    dualValues(local).flatMap(({ network }) => {
      const block = parseCidr(network);
      return block === undefined ? [] : [{ block, vpc: remoteVpc }];
    }),
  );
  return routes.flatMap(({ policy, cidr, nextHopIp }) => {
    const [address, hop] = [parseIp(cidr), parseIp(nextHopIp)];
    const block = address === undefined ? parseCidr(cidr) : hostCidr(address);
    if (policy === "policySrc" || block === undefined || hop === undefined) return [];
    const link = networks.find((one) => cidrContains(one.block, hop));
    return [{ block, vpc: link?.vpc ?? "" }];
  });
}

/** The peers to which packets to a range, or to a part of it, are sent; "" stands for other next hops. */
function leadsTo(routes: readonly RouteTo[], range: Cidr): ReadonlySet<string> {
  const around = routes.filter(({ block }) => cidrContainsCidr(block, range));
  const longest = Math.max(...around.map(({ block }) => block.prefix));
  const used = around.filter(({ block }) => block.prefix === longest);
  const inside = routes.filter(({ block }) => cidrsOverlap(block, range) && !cidrContainsCidr(block, range));
  return new Set([...used, ...inside].map(({ vpc }) => vpc));
}
