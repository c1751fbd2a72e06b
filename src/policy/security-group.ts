// SPDX-License-Identifier: Apache-2.0

import { DENY_ALL_GROUP, portGroupAddressSet, securityGroupPortGroupName as portGroupOf } from "../api/names.ts";
import type { SecurityGroupFact } from "../facts/security-group.ts";
import { laterFragments } from "./ip-fragments.ts";
import { type ClosedRule, closeRules } from "./security-group-rules.ts";
import type { Direction, PolicyProblem, PolicyRuleAction } from "./types.ts";
import type { VirtualPortsIn } from "./virtual-ports.ts";

/** One ACL of a security group (ovn-nb(5), ACL table). */
export interface SecurityGroupAcl {
  readonly direction: Direction;
  readonly tier: 2 | 3;
  readonly priority: number;
  readonly match: string;
  readonly action: PolicyRuleAction;
  /** `ingress/0` for a rule of the spec; otherwise what it is for. */
  readonly rule: string;
}

/** A SecurityGroup in terms of OVN. */
export interface TranslatedSecurityGroup {
  readonly acls: readonly SecurityGroupAcl[];
  /** What of it is not enforced as written; that part is closed. */
  readonly problems: readonly PolicyProblem[];
  /** The directions in which all is enforced as written. */
  readonly clean: readonly Direction[];
}

/** Kube-OVN's priorities within a tier (`pkg/util/const.go`). A rule's is `PRIORITY.highest - priority`, so at least 2100. */
const PRIORITY = { highest: 18484, base: 2005, sameGroup: 2004, drop: 2003 } as const;

const DIRECTIONS: readonly Direction[] = ["ingress", "egress"];
const FAMILIES = [4, 6] as const;
/** OVN's tiers of the API's tiers 0 and 1. */
const TIERS = [2, 3] as const;

/**
 * What a SecurityGroup means. Pure; `exists` tells of other groups, `virtualPorts` of the Services that egress rules name: such a rule is
 * also for what stands behind them, for that is where connections go. Rules of tier 0 are in OVN's tier 2, those of tier 1 in tier 3, as in
 * Kube-OVN. What is not allowed is dropped by {@link denyAllAcls}, so there is nothing here that drops by default.
 */
export function translateSecurityGroup(
  group: SecurityGroupFact,
  exists: (name: string) => boolean,
  virtualPorts: VirtualPortsIn = () => [],
): TranslatedSecurityGroup {
  const tier = TIERS[group.tier ?? 0];
  const portGroup = portGroupOf(group.name);
  const acls: SecurityGroupAcl[] = [];
  const problems: PolicyProblem[] = [...group.problems];
  const clean: Direction[] = [];
  for (const direction of DIRECTIONS) {
    const closed = closeRules(group, direction, exists, virtualPorts);
    if (closed.problems.length === 0 && group.problems.length === 0) clean.push(direction);
    problems.push(...closed.problems);
    for (const rule of closed.rules) {
      for (const match of matchesOf(rule, direction, portGroup)) {
        const priority = PRIORITY.highest - rule.priority;
        acls.push({ direction, tier, priority, match, action: rule.action, rule: `${direction}/${rule.index}` });
      }
    }
    if (!group.allowSameGroupTraffic || group.tier === undefined) continue;
    for (const family of FAMILIES) {
      const members = `ip${family}.${remoteSide(direction)} == $${portGroupAddressSet(portGroup, family)}`;
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
 * The ACLs of the group of all who name a SecurityGroup: without what they need to have a network at all, they get and send nothing
 * that no rule allows. In both tiers, so that what a rule passes on is dropped below if no rule there allows it.
 *
 * Kube-OVN gives the base rules to each group. Here they are once, for the members of every group are members of this one, also
 * where the groups that they name do not exist.
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
 * What a network interface needs to be one, as in Kube-OVN: ARP; neighbour discovery from the link itself, that is, with hop limit 255
 * (RFC 4861; OVN lets MLD through on its own); DHCP; VRRP, for pods that share an address (RFC 9568).
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

/** Which field of a packet is the other side's address. */
function remoteSide(direction: Direction): "src" | "dst" {
  return direction === "ingress" ? "src" : "dst";
}

/** The match of a rule, one for each family that it is for. */
function matchesOf(rule: ClosedRule, direction: Direction, portGroup: string): readonly string[] {
  return FAMILIES.filter((family) => rule.families.includes(family)).map((family) => {
    const parts = [subject(direction, portGroup), `ip${family}`];
    const { remote, local, protocol } = rule;
    const field = `ip${family}.${remoteSide(direction)}`;
    if (remote?.kind === "group") {
      parts.push(`${field} == $${portGroupAddressSet(portGroupOf(remote.name), family)}`);
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
      // What drops the first fragment of a datagram drops it whole.
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
  // A range costs flows by the number of its bits, and all ports cost none.
  if (first === 1 && last === 65535) return [protocol];
  return [first === last ? `${field} == ${first}` : `${first} <= ${field} <= ${last}`];
}
