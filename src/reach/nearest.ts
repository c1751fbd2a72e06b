import type { PodFact } from "../facts/types.ts";
import type { Ip } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import type { Packet } from "../policy/packet.ts";
import type { Direction, Peer, Policy, PolicyRule, PortMatch } from "../policy/types.ts";
import type { Network } from "./network.ts";
import { peerGroupName, rulePath, ruleText } from "./policy-book.ts";

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
  /** The pod that receives it, whose names for ports count. */
  readonly receiver: PodFact | undefined;
}

/** The rules that come nearest to allowing what is denied: those in which the port fits and the peer does not, or the reverse. */
export function nearMisses(network: Network, policies: readonly Policy[], candidate: Candidate): readonly NearMiss[] {
  return policies.flatMap(({ label, rules }) =>
    rules.flatMap((rule): readonly NearMiss[] => {
      if (rule.direction !== candidate.direction || rule.action !== "allow-related") return [];
      const peer = rule.peers === "any" || rule.peers.some((one) => isPeer(network, one, candidate.other));
      const port = rule.ports === "any" || rule.ports.some((one) => isPort(one, candidate));
      if (peer === port || isHopeless(rule)) return [];
      return [{ policy: label, rule: rulePath(rule.name), allows: ruleText(rule), misses: peer ? "port" : "peer" }];
    }),
  );
}

/** A rule whose parts could not be understood matches nothing, however near it looks. */
function isHopeless({ peers, ports }: PolicyRule): boolean {
  return (peers !== "any" && peers.length === 0) || (ports !== "any" && ports.length === 0);
}

function isPeer(network: Network, peer: Peer, address: Ip): boolean {
  if (peer.kind === "cidr") {
    const within = (text: string): boolean => {
      const cidr = parseCidr(text);
      return cidr !== undefined && cidrContains(cidr, address);
    };
    return within(peer.cidr) && !peer.except.some(within);
  }
  const set = network.addressSet(`${peerGroupName(peer)}_ip${address.family}`);
  return set?.includes(address.text) === true;
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
