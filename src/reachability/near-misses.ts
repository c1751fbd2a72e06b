// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import type { Ip } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import { isMatch, readMatch } from "../policy/match.ts";
import { formatMatch, type MatchExpression } from "../policy/match-expression.ts";
import type { Packet } from "../policy/packet.ts";
import type { Direction, Peer, Policy, PolicyRule, PortMatch } from "../policy/types.ts";
import type { Acl } from "./acls.ts";
import type { Network } from "./network.ts";
import { peerGroupNames, rulePath, ruleText } from "./policy-index.ts";

/** A rule that would have allowed the packet, had one thing been otherwise. */
export interface NearMiss {
  readonly policy: string;
  /** Where in the object: `spec.ingress[0]`. */
  readonly rule: string;
  /** What it allows, in words. */
  readonly allows: string;
  /** What of the packet does not fit. */
  readonly misses: "port" | "peer";
}

/** What a packet is to the rules of one direction. */
interface Candidate {
  readonly direction: Direction;
  readonly packet: Pick<Packet, "protocol" | "destinationPort">;
  /** The address at the other side. */
  readonly other: Ip;
  /** The VPCs in which that may be a pod: the one of the port that is asked about, and those peered with it; `undefined` is the default VPC. */
  readonly vpcs: readonly (string | undefined)[];
  /** The pod that receives it, whose names for ports count. */
  readonly receiver: PodFact | undefined;
}

/** The rules that come nearest to allowing what is denied: those in which the port fits and the peer does not, or the reverse. */
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

/** The fields by which a match asks for protocols and ports. */
const PORT_FIELD = /^(tcp|udp|sctp|icmp4|icmp6|icmp)(\.|$)|^ip\.proto$/;

/**
 * The same for rules that are known by their ACLs only, as those of SecurityGroups are: what of an ACL's match asks for ports, and what
 * asks for anything else, are tried apart.
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

/** How people call the rule of an ACL; none where it is no rule of theirs. */
type NameRule = (acl: Acl) => Pick<NearMiss, "policy" | "rule"> | undefined;

function asksPort(term: MatchExpression): boolean {
  if (term.kind === "or" || term.kind === "and") return term.terms.some(asksPort);
  return "field" in term && PORT_FIELD.test(term.field.name);
}

/** What a rule's author has not said: that further fragments go with the first one. */
function withoutFragments(term: MatchExpression): MatchExpression {
  if (term.kind !== "or") return term;
  const terms = term.terms.filter((part) => !formatMatch(part).startsWith("ip.later_frag"));
  const [only, another] = terms;
  return only !== undefined && another === undefined ? only : { ...term, terms };
}

function isSubject(term: MatchExpression): boolean {
  return term.kind === "compare" && (term.field.name === "inport" || term.field.name === "outport");
}

/** A rule whose parts could not be understood matches nothing, however near it looks. */
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
