// SPDX-License-Identifier: Apache-2.0

import type { PortRangeFact, SecurityGroupFact, SecurityGroupRuleFact } from "../facts/security-group.ts";
import { type Cidr, cidrsOverlap, parseCidr } from "../net/cidr.ts";
import type { Direction, PolicyProblem, PolicyRuleAction } from "./types.ts";
import type { VirtualPortsIn } from "./virtual-ports.ts";

/** The endpoints of a Service that a rule names; of one family. */
export interface EndpointsRemote {
  readonly kind: "endpoints";
  readonly addresses: readonly string[];
}

/** A rule as it is enforced: all parts are valid. */
export interface ClosedRule {
  readonly index: number;
  readonly priority: number;
  readonly action: PolicyRuleAction;
  readonly families: readonly (4 | 6)[];
  /** Absent: any remote. */
  readonly remote?: NonNullable<SecurityGroupRuleFact["remote"]> | EndpointsRemote;
  /** A canonical CIDR, or `any`. */
  readonly local: string;
  readonly protocol: NonNullable<SecurityGroupRuleFact["protocol"]> | "sctp";
  readonly ports: "any" | PortRangeFact;
  readonly sourcePorts: "any" | PortRangeFact;
}

/** Smaller is stricter: of two contradicting rules the stricter one is used. */
const STRICTNESS: Readonly<Record<PolicyRuleAction, number>> = { drop: 0, pass: 1, "allow-related": 2 };
const SPELLING: Readonly<Record<PolicyRuleAction, string>> = { drop: "drop", pass: "pass", "allow-related": "allow" };

/**
 * The rules of one direction as they are enforced, and the problems of the others. Invalid rules fail closed: one that allows is left out, and one
 * that drops or passes drops, independent of the intended value. Of contradicting rules, which have the same priority and some packets in
 * common, the strictest is used.
 */
export function failClosedRules(
  group: SecurityGroupFact,
  direction: Direction,
  exists: (name: string) => boolean,
  virtualPorts: VirtualPortsIn,
): { readonly rules: readonly ClosedRule[]; readonly problems: readonly PolicyProblem[] } {
  const rules: ClosedRule[] = [];
  const problems: PolicyProblem[] = [];
  for (const fact of group.rules) {
    if (fact.direction !== direction) continue;
    const doubts = doubtsOf(fact, group, exists);
    for (const { reason, message } of doubts) {
      const closed = fact.policy === "allow" ? "the rule allows nothing" : "the rule drops whatever else it matches";
      problems.push({ path: pathOf(direction, fact.index), reason, message: `${message}; ${closed}` });
    }
    // An invalid tier of the group is reported once, not for each rule.
    const action = actionOf(fact, doubts.length > 0 || group.tier === undefined);
    if (action === undefined) continue;
    const rule = closedRule(fact, action, exists);
    rules.push(rule, ...(direction === "egress" ? rulesForServiceEndpoints(rule, virtualPorts) : []));
  }
  const settled = settleTies(rules, direction);
  return { rules: settled.rules, problems: [...problems, ...settled.problems] };
}

/** The same rule for the endpoints of the Services whose addresses it names, at their ports. */
function rulesForServiceEndpoints(rule: ClosedRule, virtualPorts: VirtualPortsIn): readonly ClosedRule[] {
  const { remote, protocol, ports } = rule;
  if (remote?.kind !== "cidr") return [];
  return virtualPorts(remote.cidr).flatMap((virtual) => {
    const word = virtual.protocol.toLowerCase() as "tcp" | "udp" | "sctp";
    if (protocol !== "all" && protocol !== word) return [];
    if (ports !== "any" && (virtual.port < ports.first || virtual.port > ports.last)) return [];
    return Object.entries(virtual.endpoints).map(([number, addresses]): ClosedRule => {
      const port = { first: Number(number), last: Number(number) };
      return { ...rule, remote: { kind: "endpoints", addresses }, protocol: word, ports: port };
    });
  });
}

function pathOf(direction: Direction, index: number): string {
  return `spec.${direction}Rules[${index}]`;
}

function doubtsOf(
  { problems, remote, policy }: SecurityGroupRuleFact,
  { tier }: SecurityGroupFact,
  exists: (name: string) => boolean,
): readonly { readonly reason: string; readonly message: string }[] {
  const doubts = problems.map((message) => ({ reason: "InvalidRule", message }));
  if (remote?.kind === "group" && !exists(remote.name)) {
    doubts.push({ reason: "SecurityGroupNotFound", message: `security group "${remote.name}" does not exist` });
  }
  if (policy === "pass" && tier === 1) {
    doubts.push({ reason: "InvalidRule", message: "policy pass has no effect in a group of tier 1" });
  }
  return doubts;
}

/** The action of a rule; undefined if the rule is left out. */
function actionOf({ policy }: SecurityGroupRuleFact, unclear: boolean): PolicyRuleAction | undefined {
  if (policy === "allow") return unclear ? undefined : "allow-related";
  return policy === "pass" && !unclear ? "pass" : "drop";
}

/** An invalid part does not narrow the match. */
function closedRule(
  fact: SecurityGroupRuleFact,
  action: PolicyRuleAction,
  exists: (name: string) => boolean,
): ClosedRule {
  const { index, priority, family, remote, local = "any", protocol = "all", ports = "any", sourcePorts = "any" } = fact;
  const known = remote !== undefined && (remote.kind === "cidr" || exists(remote.name)) ? remote : undefined;
  const addresses = [known?.kind === "cidr" ? known.cidr : "any", local].filter((text) => text !== "any");
  const families = ([4, 6] as const).filter(
    (candidate) =>
      (family ?? candidate) === candidate && addresses.every((text) => parseCidr(text)?.family === candidate),
  );
  return { index, priority, action, families, local, protocol, ports, sourcePorts, ...(known && { remote: known }) };
}

/**
 * Resolves contradictions: OVN does not define which of two ACLs of one tier and priority decides (ovn-nb(5), ACL `priority`). If another rule is
 * stricter, one that allows is left out, and one that passes drops.
 */
function settleTies(
  rules: readonly ClosedRule[],
  direction: Direction,
): { readonly rules: readonly ClosedRule[]; readonly problems: readonly PolicyProblem[] } {
  /** priority → its rules. */
  const byPriority = new Map<number, ClosedRule[]>();
  for (const rule of rules) {
    const same = byPriority.get(rule.priority);
    if (same === undefined) byPriority.set(rule.priority, [rule]);
    else same.push(rule);
  }
  const kept: ClosedRule[] = [];
  const problems: PolicyProblem[] = [];
  const overlap = overlaps();
  for (const rule of rules) {
    const stricter = (byPriority.get(rule.priority) ?? []).find(
      (other) => STRICTNESS[other.action] < STRICTNESS[rule.action] && overlap(rule, other),
    );
    if (stricter === undefined) {
      kept.push(rule);
      continue;
    }
    const both = `priority ${rule.priority} is also that of ${pathOf(direction, stricter.index)}, which says ${SPELLING[stricter.action]}`;
    const closed = rule.action === "pass" ? "the rule drops what it matches" : "the rule allows nothing";
    const message = `${both} for some of the same packets; ${closed}; give one of them another priority`;
    problems.push({ path: pathOf(direction, rule.index), reason: "PriorityConflict", message });
    if (rule.action === "pass") kept.push({ ...rule, action: "drop" });
  }
  return { rules: kept, problems };
}

/** Whether a packet may match both of two rules; groups may have members in common. Parses each CIDR once. */
function overlaps(): (a: ClosedRule, b: ClosedRule) => boolean {
  /** text → CIDR. */
  const known = new Map<string, Cidr | undefined>();
  const read = (text: string): Cidr | undefined => {
    if (!known.has(text)) known.set(text, parseCidr(text));
    return known.get(text);
  };
  const meet = (a: string, b: string): boolean => {
    const [one, other] = [read(a), read(b)];
    return one === undefined || other === undefined || cidrsOverlap(one, other);
  };
  return (a, b) =>
    a.families.some((family) => b.families.includes(family)) &&
    (a.protocol === b.protocol || a.protocol === "all" || b.protocol === "all") &&
    portsOverlap(a.ports, b.ports) &&
    portsOverlap(a.sourcePorts, b.sourcePorts) &&
    remotes(a).some((one) => remotes(b).some((other) => one === "any" || other === "any" || meet(one, other))) &&
    (a.local === "any" || b.local === "any" || meet(a.local, b.local));
}

/** The CIDRs of a rule's remote; members of a group may have any address. */
function remotes({ remote }: ClosedRule): readonly string[] {
  if (remote?.kind === "cidr") return [remote.cidr];
  return remote?.kind === "endpoints"
    ? remote.addresses.map((one) => `${one}/${one.includes(":") ? 128 : 32}`)
    : ["any"];
}

function portsOverlap(a: ClosedRule["ports"], b: ClosedRule["ports"]): boolean {
  return a === "any" || b === "any" || (a.first <= b.last && b.first <= a.last);
}
