// SPDX-License-Identifier: Apache-2.0

import { portGroupAddressSet } from "../api/names.ts";
import { cidrContainsCidr, parseCidr } from "../net/cidr.ts";
import { canonicalGroup, groupName, selectorInVpc } from "./group.ts";
import { laterFragments } from "./ip-fragments.ts";
import type {
  Direction,
  Group,
  Isolation,
  Peer,
  PodSelector,
  Policy,
  PolicyRule,
  PolicyRuleAction,
  PortMatch,
  Protocol,
  RuleLog,
} from "./types.ts";

/** One ACL of a policy (ovn-nb(5), ACL table). */
export interface AclSpec {
  /** Name of the group whose Port_Group holds it. */
  readonly holder: string;
  readonly direction: Direction;
  readonly tier: Policy["tier"];
  readonly priority: number;
  readonly match: string;
  readonly action: PolicyRuleAction;
  /** The rule of the policy, see `PolicyRule.name`; `<direction>/isolation` for traffic that no rule decides. */
  readonly rule: string;
  readonly log?: RuleLog;
}

/** A policy in terms of OVN: its ACLs, and the groups that they refer to by name. */
export interface CompiledPolicy {
  readonly acls: readonly AclSpec[];
  /** Name → group. */
  readonly groups: ReadonlyMap<string, Group>;
}

/** The possible numbers of a named port for the pods of a selector (additional ones are harmless). */
export type NumbersOf = (
  port: { readonly protocol: string; readonly name: string },
  pods: PodSelector,
) => readonly number[];

/** Where pods are. A VPC is a custom one by its name, or the default VPC as `undefined`. */
export interface PodVpcs {
  /** The custom VPCs in which a selector selects pods. */
  readonly of: (selector: PodSelector) => readonly string[];
  /** The VPCs that are peered with one. */
  readonly peeredWith: (vpc: string | undefined) => readonly (string | undefined)[];
}

/** All pods are in the default VPC. */
const DEFAULT_VPC: PodVpcs = { of: () => [], peeredWith: () => [] };

/** Both IP families, with the words of the match language (ovn-sb(5), Logical_Flow `match`). */
const FAMILIES = [
  { family: 4, ip: "ip4" },
  { family: 6, ip: "ip6" },
] as const;

/**
 * The ACLs of a policy. Pure: depends on the policy, on the numbers of its named ports and on where pods are. A rule becomes one ACL for each IP
 * family (one for both if any peer is allowed), one more for each ipBlock with exceptions, and one for each number of a named port.
 *
 * VPCs may have equal addresses, so each has ACLs of its own: for the default VPC, and for each custom one in which there are subjects. Peers are the
 * pods of the same VPC and of VPCs peered with it, whose addresses differ from its own.
 * @param bySource whether nodes send to Services from other addresses than their InternalIPs, by which an ipBlock means them.
 */
export function compileAcls(
  policy: Policy,
  numbersOf: NumbersOf,
  vpcs: PodVpcs = DEFAULT_VPC,
  bySource = false,
): CompiledPolicy {
  const acls = new Map<string, AclSpec>();
  const groups = new Map<string, Group>();
  const use = (group: Group): string => {
    const canonical = canonicalGroup(group);
    const name = groupName(canonical);
    groups.set(name, canonical);
    return name;
  };
  const add = (wanted: AclSpec): void => {
    for (const spec of placed(wanted)) {
      const { holder, direction, tier, priority, match } = spec;
      acls.set([holder, tier, priority, direction, match].join("\0"), spec);
    }
  };
  for (const selected of policy.subjects) {
    for (const vpc of [undefined, ...vpcs.of(selected)]) {
      const selector = selectorInVpc(selected, vpc);
      const subject = { selector, name: use({ kind: "pods", selector }) };
      const near = nearTo(vpc, vpcs);
      // Nodes reach Services of the default VPC only.
      const sources = bySource && vpc === undefined;
      for (const rule of policy.rules) {
        for (const { holder, match } of matchesOf(rule, subject, near, use, numbersOf, sources)) {
          const { direction, priority, action, name, log } = rule;
          add({ holder, direction, tier: policy.tier, priority, match, action, rule: name, ...(log && { log }) });
        }
      }
      for (const isolation of policy.isolation) add(isolationAcl(isolation, subject.name, policy.tier));
    }
  }
  return { acls: [...acls.values()], groups };
}

/** The pods of a selector that subjects in one VPC may have as peers: one selector for each VPC. */
type Near = (selector: PodSelector) => readonly PodSelector[];

/** Peered VPCs in which a selector selects no pod are left out, so that a VPC with many peerings does not multiply the groups of all policies. */
function nearTo(vpc: string | undefined, { of, peeredWith }: PodVpcs): Near {
  const peered = peeredWith(vpc);
  return (selector) => {
    const there = peered.some((other) => other !== undefined) ? of(selector) : [];
    const others = peered.filter((other) => other === undefined || there.includes(other));
    return [vpc, ...others].map((one) => selectorInVpc(selector, one));
  };
}

/** The peers of a rule in the VPCs where they may be. */
function peersNear(peers: readonly Peer[], near: Near): readonly Peer[] {
  return peers.flatMap((peer): readonly Peer[] => (peer.kind === "pods" ? near(peer.selector).map(podsOf) : [peer]));
}

function podsOf(selector: PodSelector): Peer {
  return { kind: "pods", selector };
}

/**
 * Where an ACL is evaluated. Everything that leaves a pod is evaluated in one stage, after load balancing, and must be allowed by NetworkPolicies as
 * well as by SecurityGroups and the subnet's own rules, which have OVN's tiers 2 and 3. So policies come before them: administrators' policies in
 * tier 0, and NetworkPolicies in tier 1, where what they allow passes. It is allowed in tier 2, after all other rules there, so that the baseline in
 * tier 3 is not evaluated.
 */
function placed(spec: AclSpec): readonly AclSpec[] {
  if (spec.direction === "ingress" || spec.tier === 3) return [spec];
  if (spec.tier !== 2) return [{ ...spec, tier: 0 }];
  if (spec.action !== "allow-related") return [{ ...spec, tier: 1 }];
  const { log: _, ...quiet } = spec;
  return [
    { ...quiet, tier: 1, action: "pass" },
    { ...spec, tier: 2, priority: 0 },
  ];
}

function isolationAcl({ direction, priority, mode, log }: Isolation, holder: string, tier: Policy["tier"]): AclSpec {
  const what = mode === "standard" ? "ip" : "(tcp || sctp || (udp && udp.dst != {67, 68, 546, 547}))";
  const match = `${subjectMatch(direction, holder)} && ${what}`;
  return {
    holder,
    direction,
    tier,
    priority,
    match,
    action: "drop",
    rule: `${direction}/isolation`,
    ...(log && { log }),
  };
}

function subjectMatch(direction: Direction, group: string): string {
  return direction === "ingress" ? `outport == @${group}` : `inport == @${group}`;
}

interface Subject {
  readonly selector: PodSelector;
  readonly name: string;
}

/** The matches of a rule, each with the group whose Port_Group has its ACL. */
function* matchesOf(
  rule: PolicyRule,
  subject: Subject,
  near: Near,
  use: (group: Group) => string,
  numbersOf: NumbersOf,
  bySource: boolean,
): Iterable<{ readonly holder: string; readonly match: string }> {
  const { direction, ports } = rule;
  const everyPeer = rule.peers === "any" ? "any" : peersNear(rule.peers, near);
  const own = subjectMatch(direction, subject.name);
  const sources = bySource && direction === "ingress";
  // Dropping the first fragment of a datagram drops the whole datagram.
  const whole = rule.action !== "drop";
  const plain = ports === "any" ? undefined : portsMatch(ports, whole);
  if (plain !== "") {
    for (const peers of peerMatches(everyPeer, direction, use, { sources }))
      yield { holder: subject.name, match: all(own, peers, plain) };
  }
  for (const port of ports === "any" ? [] : ports) {
    if (port.kind !== "named") continue;
    const { protocol, name } = port;
    if (direction === "ingress") {
      for (const number of numbersOf(port, subject.selector)) {
        const holder = use({ kind: "pods", selector: { ...subject.selector, port: { protocol, name, number } } });
        for (const peers of peerMatches(everyPeer, direction, use, { sources })) {
          yield {
            holder,
            match: all(subjectMatch(direction, holder), peers, portOf(protocol, number, whole)),
          };
        }
      }
      continue;
    }
    const receivers = rule.peers === "any" ? [EVERY_POD] : rule.peers;
    for (const peer of receivers) {
      // Only pods have named ports, so an ipBlock means the pods in it.
      const pods = peer.kind === "pods" ? peer.selector : EVERY_POD.selector;
      for (const number of numbersOf(port, pods)) {
        const named = near({ ...pods, port: { protocol, name, number } }).map(podsOf);
        for (const [i, peers] of [...peerMatches(named, direction, use)].entries()) {
          const within =
            peer.kind === "pods" ? [""] : [...peerMatches([peer], direction, use, { only: FAMILIES[i]?.family })];
          for (const also of within)
            yield { holder: subject.name, match: all(own, peers, also, portOf(protocol, number, whole)) };
        }
      }
    }
  }
}

const EVERY_POD = { kind: "pods", selector: { podSelector: {} } } as const satisfies Group;

function all(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== "").join(" && ");
}

/**
 * The matches for the other side; `""` if any is allowed. Matches for pods are in the order of {@link FAMILIES}.
 * @param sources whether CIDRs also mean the nodes in them by their addresses for Services.
 */
function* peerMatches(
  peers: PolicyRule["peers"],
  direction: Direction,
  use: (group: Group) => string,
  { only, sources = false }: { readonly only?: 4 | 6 | undefined; readonly sources?: boolean } = {},
): Iterable<string> {
  if (peers === "any") {
    yield "";
    return;
  }
  for (const { family, ip } of FAMILIES) {
    if (only !== undefined && only !== family) continue;
    const field = `${ip}.${direction === "ingress" ? "src" : "dst"}`;
    const members = new Set<string>();
    const apart: string[] = [];
    const set = (group: Group): string => `$${portGroupAddressSet(use(group), family)}`;
    for (const peer of peers) {
      if (peer.kind !== "cidr") {
        members.add(set(peer));
        continue;
      }
      const cidr = parseCidr(peer.cidr);
      if (cidr?.family !== family) continue;
      const except = peer.except.filter((text) => {
        const inner = parseCidr(text);
        return inner !== undefined && cidrContainsCidr(cidr, inner);
      });
      // A block of everything has these addresses too.
      if (sources && cidr.prefix > 0) members.add(set({ kind: "sources", cidr: cidr.text, except }));
      const holes = sources ? except.map((hole) => set({ kind: "sources", cidr: hole, except: [] })) : [];
      if (except.length === 0) members.add(cidr.text);
      else apart.push(`${field} == ${cidr.text} && ${field} != {${[...except, ...holes].sort().join(", ")}}`);
    }
    if (members.size > 0) yield `${field} == {${[...members].sort().join(", ")}}`;
    yield* apart;
  }
}

/** A match for a port; where it is to take datagrams as a whole, with their further fragments. */
function portOf(protocol: Protocol, number: number, whole: boolean): string {
  const word = WORDS[protocol];
  const own = `${word}.dst == ${number}`;
  return whole ? `(${own} || ${laterFragments(word)})` : own;
}

const WORDS = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;

/** The match for ports by number; `""` if there are none. */
function portsMatch(ports: readonly PortMatch[], whole: boolean): string {
  const parts: string[] = [];
  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    const word = WORDS[protocol];
    const own = ports.filter((port) => port.protocol === protocol);
    const before = parts.length;
    if (own.some((port) => port.kind === "any")) {
      parts.push(word, ...(whole ? [laterFragments(word)] : []));
      continue;
    }
    const ranges = own.flatMap((port) => (port.kind === "range" ? [port] : []));
    const singles = [...new Set(ranges.flatMap(({ first, last }) => (first === last ? [first] : [])))].sort(
      (a, b) => a - b,
    );
    if (singles.length === 1) parts.push(`${word}.dst == ${singles[0]}`);
    if (singles.length > 1) parts.push(`${word}.dst == {${singles.join(", ")}}`);
    const wide = ranges.filter(({ first, last }) => first < last).sort((a, b) => a.first - b.first || a.last - b.last);
    for (const { first, last } of wide) parts.push(`${first} <= ${word}.dst <= ${last}`);
    if (whole && parts.length > before) parts.push(laterFragments(word));
  }
  return parts.length > 1 ? `(${parts.join(" || ")})` : (parts[0] ?? "");
}
