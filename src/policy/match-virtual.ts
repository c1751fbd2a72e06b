// SPDX-License-Identifier: Apache-2.0

import { ipFromValue, parseIp } from "../net/address.ts";
import { isMatch, readMatch } from "./match-evaluation.ts";
import { formatMatch, type MatchExpression } from "./match-expression.ts";
import type { NamedSets, Packet } from "./packet.ts";
import type { VirtualPort, VirtualPortsIn } from "./virtual-ports.ts";

const NO_SETS: NamedSets = { portGroup: () => undefined, addressSet: () => undefined };

/** The known fields of a packet to a port of a Service. */
const KNOWN = new Set([
  ...["ip", "ip4", "ip6", "ip.proto", "tcp", "udp", "sctp", "icmp", "icmp4", "icmp6"],
  ...["ip4.dst", "ip6.dst", "tcp.dst", "udp.dst", "sctp.dst"],
]);

/**
 * Rewrites a match for packets to addresses of Services to matches for the same packets after load balancing: one for each port of a Service whose
 * address is in the match (`ip4.dst == 10.96.0.10`, or a range that contains it). A match that OVN refuses, or that names no Service, gives none.
 */
export function matchesBehind(match: string, virtualPorts: VirtualPortsIn): readonly string[] {
  const expression = readMatch(match);
  if (expression === undefined) return [];
  const ports = new Map<string, VirtualPort>();
  for (const cidr of destinations(expression)) {
    for (const port of virtualPorts(cidr)) ports.set(`${port.protocol} ${port.port} ${port.address}`, port);
  }
  const found = [...ports.values()].flatMap((port) => {
    const rest = substitute(expression, port);
    if (rest.kind === "constant" && !rest.value) return [];
    const ip = port.address.includes(":") ? "ip6" : "ip4";
    const word = port.protocol.toLowerCase();
    const also = rest.kind === "constant" ? "" : ` && (${formatMatch(rest)})`;
    return Object.entries(port.endpoints).map(
      ([number, addresses]) => `${ip}.dst == {${addresses.join(", ")}} && ${word}.dst == ${number}${also}`,
    );
  });
  return [...new Set(found)];
}

/** The addresses and ranges, as CIDRs, of destinations in a match; none if OVN refuses the match. */
export function destinationsOf(match: string): readonly string[] {
  const expression = readMatch(match);
  return expression === undefined ? [] : [...new Set(destinations(expression))];
}

function* destinations(expression: MatchExpression): Iterable<string> {
  switch (expression.kind) {
    case "and":
    case "or":
      for (const term of expression.terms) yield* destinations(term);
      return;
    case "not":
      yield* destinations(expression.term);
      return;
    case "compare": {
      const { field, operator, constants } = expression;
      if (operator !== "==" || field.bits !== undefined || (field.name !== "ip4.dst" && field.name !== "ip6.dst"))
        return;
      const [family, bits] = field.name === "ip4.dst" ? ([4, 32] as const) : ([6, 128] as const);
      for (const constant of constants) {
        if (constant.kind !== "number") continue;
        const length = prefixLength(constant.mask, bits);
        if (length !== undefined) yield `${ipFromValue(family, constant.value).text}/${length}`;
      }
      return;
    }
    default:
  }
}

function prefixLength(mask: bigint | undefined, bits: number): number | undefined {
  if (mask === undefined) return bits;
  const length = mask.toString(2).replaceAll("0", "").length;
  const prefix = ((1n << BigInt(length)) - 1n) << BigInt(bits - length);
  return mask === prefix ? length : undefined;
}

/** The expression for a packet to that port: conditions about the destination and the protocol are evaluated, the rest stays. */
function substitute(expression: MatchExpression, port: VirtualPort): MatchExpression {
  switch (expression.kind) {
    case "and":
    case "or": {
      const decisive = expression.kind === "or";
      const rest: MatchExpression[] = [];
      for (const term of expression.terms) {
        const left = substitute(term, port);
        if (left.kind !== "constant") rest.push(left);
        else if (left.value === decisive) return left;
      }
      const [first, second] = rest;
      if (first === undefined) return { kind: "constant", value: !decisive };
      return second === undefined ? first : { kind: expression.kind, terms: rest };
    }
    case "not": {
      // A negation applies to each comparison with its prerequisites, so it is evaluated as a whole where possible.
      if (isKnown(expression.term)) return decided(expression, port);
      const term = substitute(expression.term, port);
      return term.kind === "constant" ? { kind: "constant", value: !term.value } : { kind: "not", term };
    }
    case "constant":
      return expression;
    default:
      return isKnown(expression) ? decided(expression, port) : expression;
  }
}

function decided(expression: MatchExpression, port: VirtualPort): MatchExpression {
  return { kind: "constant", value: isMatch(expression, packetTo(port), NO_SETS) };
}

/** Whether all fields that an expression uses are known. */
function isKnown(expression: MatchExpression): boolean {
  switch (expression.kind) {
    case "and":
    case "or":
      return expression.terms.every(isKnown);
    case "not":
      return isKnown(expression.term);
    case "constant":
      return true;
    case "resident":
      return false;
    default:
      return (
        KNOWN.has(expression.field.name) &&
        (expression.kind !== "compare" || expression.constants.every(({ kind }) => kind === "number"))
      );
  }
}

function packetTo({ address, protocol, port }: VirtualPort): Packet {
  const destination = parseIp(address);
  if (destination === undefined) throw new Error(`${address} of a Service is not a valid address`);
  return { source: destination, destination, protocol, destinationPort: port };
}
