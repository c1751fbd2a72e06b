// SPDX-License-Identifier: Apache-2.0

import { DENY_ALL_GROUP, portGroupAddressSet, securityGroupPortGroupName as portGroupOf } from "../api/names.ts";
import type { SecurityGroupFact } from "../facts/security-group.ts";
import { laterFragments } from "./ip-fragments.ts";
import { type ClosedRule, failClosedRules } from "./security-group-rules.ts";
import type { Direction, PolicyProblem, PolicyRuleAction } from "./types.ts";
import type { VirtualPortsIn } from "./virtual-ports.ts";

/** One ACL of a security group (ovn-nb(5), ACL table). */
export interface SecurityGroupAcl {
  readonly direction: Direction;
  readonly tier: 2 | 3;
  readonly priority: number;
  readonly match: string;
  readonly action: PolicyRuleAction;
  /** `ingress/0` for a rule of the spec; otherwise its purpose. */
  readonly rule: string;
}

/** A SecurityGroup in terms of OVN. */
export interface TranslatedSecurityGroup {
  readonly acls: readonly SecurityGroupAcl[];
  /** Parts that are not enforced as written; they fail closed. */
  readonly problems: readonly PolicyProblem[];
  /** The directions in which everything is enforced as written. */
  readonly clean: readonly Direction[];
}

/** Kube-OVN's priorities within a tier (`pkg/util/const.go`). A rule's is `PRIORITY.highest - priority`, so at least 2100. */
const PRIORITY = { highest: 18484, base: 2005, sameGroup: 2004, drop: 2003 } as const;

const DIRECTIONS: readonly Direction[] = ["ingress", "egress"];
const FAMILIES = [4, 6] as const;
/** OVN's tiers for the API's tiers 0 and 1. */
const TIERS = [2, 3] as const;

/** The ports that a group is translated for: those in one VPC. */
export interface SecurityGroupPlace {
  /** Name of the Port_Group of these. */
  readonly portGroup: string;
  /** The names of the Port_Groups of the members of a group in this VPC and in those that are peered with it. */
  readonly members: (group: string) => readonly string[];
}

/**
 * Translates a SecurityGroup for its ports in the default VPC, or in `place`. Pure; `exists` says whether another group exists, `virtualPorts` gives
 * the Services that egress rules name: such a rule also applies to their endpoints, because connections go there. Rules of tier 0 are in OVN's tier
 * 2, those of tier 1 in tier 3, as in Kube-OVN. {@link denyAllAcls} drops what is not allowed, so nothing is dropped by default here.
 */
export function translateSecurityGroup(
  group: SecurityGroupFact,
  exists: (name: string) => boolean,
  virtualPorts: VirtualPortsIn = () => [],
  place: SecurityGroupPlace = { portGroup: portGroupOf(group.name), members: (name) => [portGroupOf(name)] },
): TranslatedSecurityGroup {
  const tier = TIERS[group.tier ?? 0];
  const { portGroup } = place;
  const acls: SecurityGroupAcl[] = [];
  const problems: PolicyProblem[] = [...group.problems];
  const clean: Direction[] = [];
  for (const direction of DIRECTIONS) {
    const closed = failClosedRules(group, direction, exists, virtualPorts);
    if (closed.problems.length === 0 && group.problems.length === 0) clean.push(direction);
    problems.push(...closed.problems);
    for (const rule of closed.rules) {
      for (const match of matchesOf(rule, direction, place)) {
        const priority = PRIORITY.highest - rule.priority;
        acls.push({ direction, tier, priority, match, action: rule.action, rule: `${direction}/${rule.index}` });
      }
    }
    if (!group.allowSameGroupTraffic || group.tier === undefined) continue;
    for (const family of FAMILIES) {
      const members = membersMatch(place.members(group.name), direction, family);
      if (members === undefined) continue;
      acls.push({
        direction,
        tier,
        priority: PRIORITY.sameGroup,
        match: `${subject(direction, portGroup)} && ${members}`,
        action: "allow-related",
        rule: `${direction}/same-group`,
      });
    }
  }
  return { acls, problems, clean };
}

/**
 * The ACLs of the group of all ports with a SecurityGroup: except for the traffic that an interface needs, they receive and send nothing that no rule
 * allows. In both tiers, so that traffic that a rule passes on is dropped in the lower tier if no rule there allows it.
 *
 * Kube-OVN adds the base rules to each group. Here they exist once, because the members of every group are members of this one, even if the groups
 * that they name do not exist.
 */
export function denyAllAcls(): readonly SecurityGroupAcl[] {
  const portGroup = portGroupOf(DENY_ALL_GROUP);
  return DIRECTIONS.flatMap((direction) =>
    TIERS.flatMap((tier) => {
      const acl = (priority: number, what: string, action: PolicyRuleAction, rule: string): SecurityGroupAcl => ({
        direction,
        tier,
        priority,
        match: `${subject(direction, portGroup)} && ${what}`,
        action,
        rule: `${direction}/${rule}`,
      });
      return [
        ...Object.entries(BASE[direction]).map(([rule, what]) => acl(PRIORITY.base, what, "allow-related", rule)),
        acl(PRIORITY.drop, "ip", "drop", "isolation"),
      ];
    }),
  );
}

/**
 * The traffic that a network interface needs, as in Kube-OVN: ARP; neighbour discovery from the link itself, that is, with hop limit 255 (RFC 4861;
 * OVN allows MLD itself); DHCP; VRRP, for pods that share an address (RFC 9568).
 */
const BASE: Readonly<Record<Direction, Readonly<Record<string, string>>>> = {
  ingress: {
    arp: "arp",
    discovery: "icmp6.type == {130, 134, 135, 136} && icmp6.code == 0 && ip.ttl == 255",
    dhcpv4: "ip4 && udp.src == 67 && udp.dst == 68",
    dhcpv6: "ip6 && udp.src == 547 && udp.dst == 546",
    vrrp: "ip.proto == 112",
  },
  egress: {
    arp: "arp",
    discovery: "icmp6.type == {130, 133, 135, 136} && icmp6.code == 0 && ip.ttl == 255",
    dhcpv4: "ip4 && udp.src == 68 && udp.dst == 67",
    dhcpv6: "ip6 && udp.src == 546 && udp.dst == 547",
    vrrp: "ip.proto == 112",
  },
};

function subject(direction: Direction, portGroup: string): string {
  return `${direction === "ingress" ? "outport" : "inport"} == @${portGroup}`;
}

/** The field of a packet with the remote's address. */
function remoteSide(direction: Direction): "src" | "dst" {
  return direction === "ingress" ? "src" : "dst";
}

/** The match for the addresses of port groups; none if there are none. */
function membersMatch(portGroups: readonly string[], direction: Direction, family: 4 | 6): string | undefined {
  const sets = portGroups.map((name) => `$${portGroupAddressSet(name, family)}`).sort();
  if (sets.length === 0) return undefined;
  return `ip${family}.${remoteSide(direction)} == ${sets.length === 1 ? sets.join() : `{${sets.join(", ")}}`}`;
}

/** The matches of a rule, one for each family that it applies to; none if its remote group has no members in reach. */
function matchesOf(
  rule: ClosedRule,
  direction: Direction,
  { portGroup, members }: SecurityGroupPlace,
): readonly string[] {
  return FAMILIES.filter((family) => rule.families.includes(family)).flatMap((family) => {
    const parts = [subject(direction, portGroup), `ip${family}`];
    const { remote, local, protocol } = rule;
    const field = `ip${family}.${remoteSide(direction)}`;
    if (remote?.kind === "group") {
      const match = membersMatch(members(remote.name), direction, family);
      if (match === undefined) return [];
      parts.push(match);
    } else if (remote?.kind === "endpoints") parts.push(`${field} == {${remote.addresses.join(", ")}}`);
    else if (remote !== undefined && !remote.cidr.endsWith("/0")) parts.push(`${field} == ${remote.cidr}`);
    if (local !== "any" && !local.endsWith("/0")) {
      parts.push(`ip${family}.${direction === "ingress" ? "dst" : "src"} == ${local}`);
    }
    if (protocol === "icmp") parts.push(`icmp${family}`);
    if (protocol === "tcp" || protocol === "udp" || protocol === "sctp") {
      const ports = [...portMatch(protocol, "dst", rule.ports), ...portMatch(protocol, "src", rule.sourcePorts)];
      if (ports.length === 0) ports.push(protocol);
      const own = ports.length > 1 ? `(${ports.join(" && ")})` : ports.join();
      // Dropping the first fragment of a datagram drops the whole datagram.
      parts.push(...(rule.action === "drop" ? ports : [`(${own} || ${laterFragments(protocol)})`]));
    }
    return parts.join(" && ");
  });
}

function portMatch(
  protocol: "tcp" | "udp" | "sctp",
  side: "src" | "dst",
  ports: ClosedRule["ports"],
): readonly string[] {
  if (ports === "any") return [];
  const { first, last } = ports;
  const field = `${protocol}.${side}`;
  // A range costs flows by the number of its bits; a match for all ports costs none.
  if (first === 1 && last === 65535) return [protocol];
  return [first === last ? `${field} == ${first}` : `${first} <= ${field} <= ${last}`];
}
