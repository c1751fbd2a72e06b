// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../../facts/store.ts";
import type { PolicyRouteFact, StaticRouteFact, VpcFact } from "../../facts/vpc.ts";
import { parseIp } from "../../net/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import { parseRange, rangeContains } from "../../net/range.ts";
import type { Note } from "../effects.ts";
import type { ConnectedRange, PeeringLink } from "./vpc-peerings.ts";

/** A network that a router is connected to by one of its ports. */
export interface RouterNetwork {
  readonly cidr: string;
  /** The router's own address in it. */
  readonly address: string;
}

/** The policies for OVN, and the next hops that cannot be reached. */
export interface CheckedHops {
  readonly policyRoutes: readonly PolicyRouteFact[];
  readonly notes: readonly Note[];
}

/**
 * Checks next hops against the router's networks. northd ignores a `reroute` if none of its next hops is in one of them
 * (findings/ovn-reroute-without-path-is-no-rule.sh): its packets would take the ordinary routes and bypass a firewall. So such a policy drops until
 * one of its next hops can be reached. northd also ignores a static route without a path; less specific routes then apply, as in any router.
 */
export function checkNextHops(
  staticRoutes: readonly StaticRouteFact[],
  policyRoutes: readonly PolicyRouteFact[],
  networks: readonly RouterNetwork[],
  vacant: readonly string[] = [],
): CheckedHops {
  const blocks = blocksOf(networks.map(({ cidr }) => cidr));
  const own = new Set(networks.map(({ address }) => address));
  const problemOf = (hop: string): string | undefined => {
    if (own.has(hop)) return `${hop} is an address of the VPC's own router`;
    return isIn(blocks, hop) ? undefined : `${hop} is in no subnet and no peering of the VPC`;
  };
  const notes: Note[] = [];
  const note = (message: string): void => void notes.push({ reason: "NextHopUnreachable", message });
  for (const { path, nextHopIp } of staticRoutes) {
    const problem = problemOf(nextHopIp);
    if (problem !== undefined) note(`${path || "staticRoutes"}.nextHopIP: ${problem}; the route is not active`);
  }
  const hops = [...staticRoutes.map((route) => route.nextHopIp), ...policyRoutes.flatMap((rule) => rule.nextHops)];
  for (const hop of [...new Set(hops)].filter((one) => vacant.includes(one))) {
    const message = `next hop ${hop} is in a subnet or on a link of the VPC, but no pod, Vip or router has it; packets to it are lost`;
    notes.push({ reason: "NextHopNotFound", message });
  }
  const checked = policyRoutes.map((rule): PolicyRouteFact => {
    if (rule.action !== "reroute") return rule;
    const problems = rule.nextHops.flatMap((hop) => problemOf(hop) ?? []);
    if (problems.length === 0) return rule;
    const nextHops = rule.nextHops.filter((hop) => problemOf(hop) === undefined);
    const rest = nextHops.length > 0 ? "the others are used" : "packets that match are dropped until it can be reached";
    note(`${rule.path || "policyRoutes"}.nextHopIP: ${problems.join(", ")}; ${rest}`);
    return nextHops.length > 0 ? { ...rule, nextHops } : { ...rule, action: "drop", nextHops };
  });
  return { policyRoutes: checked, notes };
}

/**
 * The vacant next hops of a VPC: addresses of its subnets or links that no IP object, no other object and no router has. Addresses in `excludeIps`
 * are not reported, because IPAM does not know who uses them.
 */
export function vacantHops(
  reader: FactReader,
  vpc: VpcFact,
  ranges: readonly ConnectedRange[],
  links: readonly PeeringLink[],
): readonly string[] {
  const hops = [
    ...vpc.staticRoutes.map((route) => route.nextHopIp),
    ...vpc.policyRoutes.flatMap((rule) => rule.nextHops),
  ];
  const remote = new Set(links.flatMap((link) => dualValues(link.remote)));
  return [...new Set(hops)].sort().filter((hop) => {
    const onLink = links.some(({ local }) => dualValues(local).some(({ network }) => isIn(blocksOf([network]), hop)));
    if (onLink) return !remote.has(hop);
    const range = ranges.find(({ cidr }) => isIn(blocksOf([cidr]), hop));
    if (range === undefined || hop === range.gateway) return false;
    const { excludeIps = [], vlan = "" } = reader.get("subnets", range.subnet) ?? {};
    const ip = parseIp(hop);
    const excluded = excludeIps.some((text) => {
      const known = parseRange(text);
      return known !== undefined && ip !== undefined && rangeContains(known, ip);
    });
    if (excluded || vlan !== "") return false;
    return (
      !reader.by("ips", "address", hop).some((one) => one.subnet === range.subnet) &&
      !reader.by("addressHolders", "subnet", range.subnet).some(({ v4, v6 }) => v4 === hop || v6 === hop)
    );
  });
}

function blocksOf(cidrs: readonly string[]): readonly Cidr[] {
  return cidrs.flatMap((cidr) => parseCidr(cidr) ?? []);
}

function isIn(blocks: readonly Cidr[], hop: string): boolean {
  const ip = parseIp(hop);
  return ip !== undefined && blocks.some((block) => cidrContains(block, ip));
}
