// SPDX-License-Identifier: Apache-2.0

import { HAIRPIN_SOURCE, nodesAddressSet, PROBE_NETWORK, UPLINKS_GROUP } from "../api/names.ts";
import { quoted } from "../api/text.ts";
import type { SubnetAclFact, SubnetFact } from "../facts/subnet.ts";
import { parseCidr } from "../net/cidr.ts";
import type { Dual } from "../net/dual.ts";
import { canonicalMatch } from "./canonical-match.ts";
import { destinationsOf, matchesBehind } from "./match-virtual.ts";
import type { PolicyProblem } from "./types.ts";
import { readUserMatch } from "./user-match.ts";
import type { VirtualPortsIn } from "./virtual-ports.ts";

/** One ACL of a subnet's logical switch (ovn-nb(5), ACL table); all are in tier 2. */
export interface SubnetAclSpec {
  readonly direction: SubnetAclFact["direction"];
  readonly priority: number;
  readonly match: string;
  readonly action: SubnetAclFact["action"];
  /** `acls/0` for an entry of the spec; otherwise its purpose. */
  readonly rule: string;
  readonly log: boolean;
}

/** A subnet's own rules as ACLs, and the parts that are not enforced as written. */
export interface TranslatedSubnet {
  readonly acls: readonly SubnetAclSpec[];
  readonly problems: readonly PolicyProblem[];
}

/** Kube-OVN's priorities (`pkg/util/const.go`). */
const PRIORITY = { node: 3000, eastWest: 1900, allow: 1001, drop: 1000 } as const;
const MAX_PRIORITY = 32767;

const FAMILIES = [
  { key: "v4", family: 4, ip: "ip4" },
  { key: "v6", family: 6, ip: "ip6" },
] as const;

/**
 * Translates `private`, `allowSubnets`, `allowEWTraffic` and `acls` of a subnet. Pure. `joinCidr`: the join subnet, from which nodes connect to pods
 * (besides their own addresses); empty if nodes do not reach the VPC.
 */
export function translateSubnetRules(
  subnet: SubnetFact,
  joinCidr: Dual<string>,
  virtualPorts: VirtualPortsIn = () => [],
): TranslatedSubnet {
  const problems: PolicyProblem[] = [];
  const acls = [
    ...(subnet.private ? privateAcls(subnet, joinCidr, problems) : []),
    ...(subnet.allowEwTraffic && subnet.acls.length > 0 ? eastWestAcls(subnet) : []),
    ...strictest(
      subnet.acls.map((acl, i) => userAcl(acl, i, problems, virtualPorts)),
      problems,
    ),
  ];
  return { acls, problems };
}

/** Of entries with the same direction, priority and match, in any spelling, the strictest is used: OVN does not define which of them decides. */
function strictest(entries: readonly (readonly SubnetAclSpec[])[], problems: PolicyProblem[]): SubnetAclSpec[] {
  const keyOf = ({ direction, priority, match }: SubnetAclSpec): string =>
    `${direction} ${priority} ${canonicalMatch(match)}`;
  const found = new Map<string, { readonly acl: SubnetAclSpec; readonly index: number }>();
  for (const [index, acls] of entries.entries()) {
    for (const acl of acls) {
      const key = keyOf(acl);
      const other = found.get(key);
      if (other === undefined || strictness(acl) < strictness(other.acl)) found.set(key, { acl, index });
    }
  }
  return entries.flatMap((acls, index) =>
    acls.filter((acl, n) => {
      const stands = found.get(keyOf(acl));
      if (stands === undefined || strictness(stands.acl) === strictness(acl)) return true;
      const what = `spec.acls[${stands.index}] has the same direction, priority ${acl.priority} and match, with action ${stands.acl.action}`;
      // Endpoints follow from the first entry.
      if (n === 0) {
        const message = `${what}, which is used; give one of them another priority`;
        problems.push({ path: `spec.acls[${index}]`, reason: "PriorityConflict", message });
      }
      return false;
    }),
  );
}

/** Smaller is stricter. */
function strictness({ action }: SubnetAclSpec): number {
  return action === "drop" || action === "reject" ? 0 : action === "pass" ? 1 : 2;
}

/** Drops everything that is sent to a port of the switch, except allowed pairs; replies always pass. */
function privateAcls(
  { cidr, allowSubnets }: SubnetFact,
  joinCidr: Dual<string>,
  problems: PolicyProblem[],
): SubnetAclSpec[] {
  const allow = (priority: number, match: string, rule: string): SubnetAclSpec => ({
    direction: "to-lport",
    priority,
    match,
    action: "allow-related",
    rule,
    log: false,
  });
  const others = allowSubnets.flatMap((text, i) => {
    const block = parseCidr(text);
    if (block !== undefined) return [{ block, rule: `allowSubnets/${i}` }];
    const message = `"${text}" is not a valid CIDR such as 10.17.0.0/16; the entry is ignored`;
    problems.push({ path: `spec.allowSubnets[${i}]`, reason: "InvalidCIDR", message });
    return [];
  });
  const acls: SubnetAclSpec[] = [
    { direction: "to-lport", priority: PRIORITY.drop, match: "ip", action: "drop", rule: "private", log: true },
  ];
  for (const { key, family, ip } of FAMILIES) {
    const own = cidr[key];
    if (own === undefined) continue;
    acls.push(allow(PRIORITY.allow, `${ip}.src == ${own} && ${ip}.dst == ${own}`, "private/own"));
    const nodes = joinCidr[key];
    if (nodes !== undefined) {
      for (const sources of [nodes, `$${nodesAddressSet(family)}`])
        acls.push(allow(PRIORITY.node, `inport == @${UPLINKS_GROUP} && ${ip}.src == ${sources}`, "private/nodes"));
    } else acls.push(allow(PRIORITY.node, `${ip}.src == ${PROBE_NETWORK[key].node}`, "private/nodes"));
    // A pod of the subnet that reaches itself through a Service.
    acls.push(allow(PRIORITY.allow, `${ip}.src == ${HAIRPIN_SOURCE[key]}`, "private/itself"));
    for (const { block, rule } of others) {
      if (block.family !== family) continue;
      const to = `${ip}.src == ${block.text} && ${ip}.dst == ${own}`;
      const from = `${ip}.src == ${own} && ${ip}.dst == ${block.text}`;
      acls.push(allow(PRIORITY.allow, `(${to}) || (${from})`, rule));
    }
  }
  return acls;
}

function eastWestAcls({ cidr }: SubnetFact): SubnetAclSpec[] {
  return FAMILIES.flatMap(({ key, ip }) => {
    const own = cidr[key];
    if (own === undefined) return [];
    const match = `${ip}.src == ${own} && ${ip}.dst == ${own}`;
    return (["to-lport", "from-lport"] as const).map((direction) => ({
      direction,
      priority: PRIORITY.eastWest,
      match,
      action: "allow",
      rule: "allowEWTraffic",
      log: false,
    }));
  });
}

/** The values that the API server accepts now; older objects may have others. */
const DIRECTIONS: ReadonlySet<string> = new Set<SubnetAclSpec["direction"]>(["from-lport", "to-lport"]);
const ACTIONS: ReadonlySet<string> = new Set<SubnetAclSpec["action"]>([
  ...(["allow", "allow-related", "allow-stateless"] as const),
  ...(["drop", "reject", "pass"] as const),
]);

/** The ranges in which a subnet's `acls` may name addresses of Services. */
export function destinationsOfAcls({ acls }: SubnetFact): readonly string[] {
  return [...new Set(acls.filter(isBalanced).flatMap(({ match }) => destinationsOf(match)))];
}

/** Whether the rule's traffic may have passed load balancing; untracked traffic has not. */
function isBalanced({ direction, action }: SubnetAclFact): boolean {
  return direction === "from-lport" && action !== "allow-stateless";
}

/**
 * Translates an entry of `acls`. An entry for traffic from a port that names addresses of Services also applies to their endpoints. OVN installs
 * nothing for a match that it cannot parse, so such an entry fails closed: one that allows is left out, and any other drops all IP traffic of its
 * direction at its priority.
 */
function userAcl(
  acl: SubnetAclFact,
  index: number,
  problems: PolicyProblem[],
  virtualPorts: VirtualPortsIn,
): SubnetAclSpec[] {
  const path = `spec.acls[${index}]`;
  const rule = `acls/${index}`;
  if (!DIRECTIONS.has(acl.direction)) {
    const message = `${quoted(acl.direction)} must be one of: from-lport, to-lport; the rule is ignored`;
    problems.push({ path: `${path}.direction`, reason: "InvalidDirection", message });
    return [];
  }
  if (!ACTIONS.has(acl.action)) {
    const message = `${quoted(acl.action)} must be one of: ${[...ACTIONS].join(", ")}; the rule drops`;
    problems.push({ path: `${path}.action`, reason: "InvalidAction", message });
    return userAcl({ ...acl, action: "drop" }, index, problems, virtualPorts);
  }
  const read = readUserMatch(acl.match, acl.direction);
  // What NetworkPolicies allow to leave has priority 0.
  const priority = Math.min(Math.max(Math.trunc(acl.priority) || 1, 1), MAX_PRIORITY);
  if ("match" in read) {
    if (read.doubt !== undefined)
      problems.push({ path: `${path}.match`, reason: "MatchWithoutEffect", message: read.doubt });
    const behind = isBalanced(acl) ? matchesBehind(read.match, virtualPorts) : [];
    return [read.match, ...behind].map((match) => ({ ...acl, match, priority, rule, log: false }));
  }
  const allows = acl.action.startsWith("allow");
  const closed = allows ? "the rule allows nothing" : `the rule drops all IP traffic of ${acl.direction}`;
  problems.push({ path: `${path}.match`, reason: "InvalidMatch", message: `${read.wrong}; ${closed}` });
  if (allows) return [];
  return [{ direction: acl.direction, priority, match: "ip", action: "drop", rule, log: false }];
}
