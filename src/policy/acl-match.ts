// SPDX-License-Identifier: Apache-2.0

import { portGroupAddressSet } from "../api/names.ts";
import { cidrContainsCidr, parseCidr } from "../net/cidr.ts";
import { laterFragments } from "./ip-fragments.ts";
import type { Near } from "./peer-vpcs.ts";
import type { Direction, Group, Peer, PodSelector, PolicyRule, PortMatch, Protocol } from "./types.ts";

/** The possible numbers of a named port for the pods of a selector (additional ones are harmless). */
export type NumbersOf = (
  port: { readonly protocol: string; readonly name: string },
  pods: PodSelector,
) => readonly number[];

/** Both IP families, with the words of the match language (ovn-sb(5), Logical_Flow `match`). */
const FAMILIES = [
  { family: 4, ip: "ip4" },
  { family: 6, ip: "ip6" },
] as const;

/** The match for the side of the pods that a policy applies to. */
export function subjectMatch(direction: Direction, group: string): string {
  return direction === "ingress" ? `outport == @${group}` : `inport == @${group}`;
}

/** The pods in one VPC to which a policy applies, and the name of their group. */
export interface AclSubject {
  readonly selector: PodSelector;
  readonly name: string;
}

/**
 * The matches of the ACLs of a rule, each with the group whose Port_Group has its ACL: peers (with `ipBlock.except`) and ports. One for each IP family (one for both
 * if any peer is allowed), one more for each ipBlock with exceptions, and one for each number of a named port.
 */
export function* matchesOf(
  rule: PolicyRule,
  subject: AclSubject,
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

/** The peers of a rule in the VPCs where they may be. */
function peersNear(peers: readonly Peer[], near: Near): readonly Peer[] {
  return peers.flatMap((peer): readonly Peer[] => (peer.kind === "pods" ? near(peer.selector).map(podsOf) : [peer]));
}

function podsOf(selector: PodSelector): Peer {
  return { kind: "pods", selector };
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
