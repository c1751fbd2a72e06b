// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import type { Ip } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import { isMatch, readMatch } from "../policy/match-evaluation.ts";
import { formatMatch, type MatchExpression } from "../policy/match-expression.ts";
import type { Packet } from "../policy/packet.ts";
import type { Direction, Peer, Policy, PolicyRule, PortMatch } from "../policy/types.ts";
import type { Acl } from "./acls.ts";
import type { Network } from "./network.ts";
import { peerGroupNames, rulePath, ruleText } from "./policy-index.ts";

/** A rule that would have allowed the packet except for one condition. */
export interface NearMiss {
  readonly policy: string;
  /** The path in the object: `spec.ingress[0]`. */
  readonly rule: string;
  /** The traffic that it allows, as text. */
  readonly allows: string;
  /** The part of the packet that does not match. */
  readonly misses: "port" | "peer";
}

/** A packet as seen by the rules of one direction. */
interface Candidate {
  readonly direction: Direction;
  readonly packet: Pick<Packet, "protocol" | "destinationPort">;
  /** The address at the other side. */
  readonly other: Ip;
  /**
   * The VPCs in which that may be a pod: the VPC of the port in question, and those peered with it; `undefined` is
   * the default VPC.
   */
  readonly vpcs: readonly (string | undefined)[];
  /** The receiving pod, whose names for ports are used. */
  readonly receiver: PodFact | undefined;
}

/**
 * The rules that are nearest to allowing the denied packet: those of which the port matches and the peer does not, or
 * the reverse.
 */
export function nearMisses(network: Network, policies: readonly Policy[], candidate: Candidate): readonly NearMiss[] {
  return policies.flatMap(({ label, rules }) =>
    rules.flatMap((rule): readonly NearMiss[] => {
      if (rule.direction !== candidate.direction || rule.action !== "allow-related") return [];
      const peer = rule.peers === "any" || rule.peers.some((one) => isPeer(network, one, candidate));
      const port = rule.ports === "any" || rule.ports.some((one) => isPort(one, candidate));
      if (peer === port || isHopeless(rule)) return [];
      return [{ policy: label, rule: rulePath(rule.name), allows: ruleText(rule), misses: peer ? "port" : "peer" }];
    }),
  );
}

/** The fields of protocols and ports in a match. */
const PORT_FIELD = /^(tcp|udp|sctp|icmp4|icmp6|icmp)(\.|$)|^ip\.proto$/;

/**
 * The same for rules that are known only by their ACLs, such as those of SecurityGroups: the conditions on ports and
 * the other conditions of an ACL's match are evaluated separately.
 */
export function nearAcls(network: Network, acls: readonly Acl[], packet: Packet, name: NameRule): readonly NearMiss[] {
  return acls.flatMap((acl): readonly NearMiss[] => {
    const named = acl.action === "allow-related" ? name(acl) : undefined;
    const expression = named && readMatch(acl.match);
    if (named === undefined || expression?.kind !== "and") return [];
    const holds = (terms: readonly MatchExpression[]): boolean => terms.every((term) => isMatch(term, packet, network));
    const port = holds(expression.terms.filter(asksPort));
    const peer = holds(expression.terms.filter((term) => !asksPort(term)));
    if (peer === port) return [];
    const asked = expression.terms.filter((term) => !isSubject(term)).map(withoutFragments);
    return [{ ...named, allows: formatMatch({ kind: "and", terms: asked }), misses: peer ? "port" : "peer" }];
  });
}

/** The name of an ACL's rule for users; undefined if it is not a user's rule. */
type NameRule = (acl: Acl) => Pick<NearMiss, "policy" | "rule"> | undefined;

function asksPort(term: MatchExpression): boolean {
  if (term.kind === "or" || term.kind === "and") return term.terms.some(asksPort);
  return "field" in term && PORT_FIELD.test(term.field.name);
}

/** Removes the condition that Weft adds for further fragments. */
function withoutFragments(term: MatchExpression): MatchExpression {
  if (term.kind !== "or") return term;
  const terms = term.terms.filter((part) => !formatMatch(part).startsWith("ip.later_frag"));
  const [only, another] = terms;
  return only !== undefined && another === undefined ? only : { ...term, terms };
}

function isSubject(term: MatchExpression): boolean {
  return term.kind === "compare" && (term.field.name === "inport" || term.field.name === "outport");
}

/** A rule with unsupported parts matches nothing. */
function isHopeless({ peers, ports }: PolicyRule): boolean {
  return (peers !== "any" && peers.length === 0) || (ports !== "any" && ports.length === 0);
}

function isPeer(network: Network, peer: Peer, { other: address, vpcs }: Candidate): boolean {
  if (peer.kind === "cidr") {
    const within = (text: string): boolean => {
      const cidr = parseCidr(text);
      return cidr !== undefined && cidrContains(cidr, address);
    };
    return within(peer.cidr) && !peer.except.some(within);
  }
  return peerGroupNames(peer, vpcs).some((name) =>
    network.addressSet(`${name}_ip${address.family}`)?.includes(address.text),
  );
}

function isPort(port: PortMatch, { packet: { protocol, destinationPort }, receiver }: Candidate): boolean {
  if (port.protocol !== protocol) return false;
  if (port.kind === "any") return true;
  if (destinationPort === undefined) return false;
  if (port.kind === "range") return port.first <= destinationPort && destinationPort <= port.last;
  return (receiver?.ports ?? []).some(
    (own) => own.name === port.name && own.protocol === port.protocol && own.number === destinationPort,
  );
}
