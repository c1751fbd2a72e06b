// SPDX-License-Identifier: Apache-2.0

import type { PolicyRouteFact, StaticRouteFact } from "../facts/vpc.ts";
import { parseIp } from "../net/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../net/cidr.ts";
import type { Note } from "./effects.ts";

/** What a router is connected to by one of its ports. */
export interface RouterNetwork {
  readonly cidr: string;
  /** The router's own address in it. */
  readonly address: string;
}

/** Policies as OVN is to have them, and what of the routes leads nowhere. */
export interface CheckedHops {
  readonly policyRoutes: readonly PolicyRouteFact[];
  readonly notes: readonly Note[];
}

/**
 * Checks next hops against the networks of the router. northd leaves out a `reroute` none of whose next hops is in one of them
 * (findings/ovn-reroute-without-path-is-no-rule.sh), and its packets would go on by the ordinary routes, past the firewall that they were meant for. Such
 * a policy drops until one of its next hops can be reached. A static route without a path is no route for northd either: there, less specific routes count,
 * as in any router.
 */
export function checkNextHops(
  staticRoutes: readonly StaticRouteFact[],
  policyRoutes: readonly PolicyRouteFact[],
  networks: readonly RouterNetwork[],
): CheckedHops {
  const blocks = networks.flatMap(({ cidr }) => parseCidr(cidr) ?? []);
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

function isIn(blocks: readonly Cidr[], hop: string): boolean {
  const ip = parseIp(hop);
  return ip !== undefined && blocks.some((block) => cidrContains(block, ip));
}
