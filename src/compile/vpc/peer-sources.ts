// SPDX-License-Identifier: Apache-2.0

import type { StaticRouteFact } from "../../facts/vpc.ts";
import { parseIp } from "../../net/address.ts";
import { AddressTable } from "../../net/address-table.ts";
import { type Cidr, cidrContains, cidrContainsCidr, cidrsOverlap, hostCidr, parseCidr } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
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
  const notes = new Map<string, Note>();
  const towards = routesTo(links, staticRoutes);
  for (const [vpc, other, range] of overlaps(links, rangesOf)) {
    const { shared } = range;
    const leads = leadsTo(towards, shared);
    if (leads.size === 1 && leads.has(other)) {
      const ranges = dropped.get(vpc) ?? new Set<string>();
      dropped.set(vpc, ranges.add(shared.text));
    } else if (!(leads.size === 1 && leads.has(vpc)) && vpc < other) {
      const message = `subnet ${range.own} of VPC "${vpc}" and subnet ${range.their} of VPC "${other}", with both of which this VPC is peered, contain ${shared.text}, and staticRoutes lead to ${leads.size === 0 ? "neither" : "both"}: policies that select pods of one of them also match pods of the other`;
      notes.set(message, { reason: "PeersOverlap", message });
    }
  }
  return {
    dropped: new Map([...dropped].map(([vpc, ranges]) => [vpc, [...ranges].sort()])),
    notes: [...notes.values()],
  };
}

interface Shared {
  /** Names of the subnets. */
  readonly own: string;
  readonly their: string;
  /** The smaller range. */
  readonly shared: Cidr;
}

/** For each two peers, in both orders, the ranges that both have. */
function overlaps(
  links: readonly PeeringLink[],
  rangesOf: Readonly<Record<string, readonly ConnectedRange[]>>,
): readonly (readonly [vpc: string, other: string, range: Shared])[] {
  if (links.length < 2) return [];
  const ranges = links.flatMap(({ remoteVpc }) =>
    (rangesOf[remoteVpc] ?? []).flatMap(({ subnet, cidr }) => {
      const block = parseCidr(cidr);
      return block === undefined
        ? []
        : [{ vpc: remoteVpc, subnet, block, dual: cidr.includes(":") ? { v6: cidr } : { v4: cidr } }];
    }),
  );
  const table = new AddressTable();
  for (const [i, { dual }] of ranges.entries()) table.set(String(i), [dual]);
  return ranges.flatMap(({ vpc, subnet, block, dual }) => {
    const { v4, v6 } = table.overlapping(dual);
    return [...v4, ...v6].flatMap((name) => {
      const other = ranges[Number(name)];
      if (other === undefined || other.vpc === vpc) return [];
      const shared = cidrContainsCidr(block, other.block) ? other.block : block;
      return [[vpc, other.vpc, { own: subnet, their: other.subnet, shared }] as const];
    });
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
