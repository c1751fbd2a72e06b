// SPDX-License-Identifier: Apache-2.0

import { parseMatch } from "./match-evaluation.ts";
import type { MatchComparison, MatchExpression, MatchField } from "./match-expression.ts";
import { symbolOf } from "./match-parser.ts";

/**
 * Where a match is evaluated: in an ACL of either direction, or in a policy of a router. OVN chooses the port that a packet goes to only after the
 * ACLs of `from-lport` (ovn-nb(5), ACL `match`), and a router answers ARP before its policies.
 */
export type MatchPlace = "from-lport" | "to-lport" | "router";

/** The fields that are unknown where the match is evaluated. */
export interface Limits {
  readonly place: MatchPlace;
  /** Port groups without a port in the datapath: ovn-controller has no such set there. */
  readonly emptyGroups?: ReadonlySet<string>;
}

/** The protocols that a match can distinguish by its nominal fields. */
interface PacketClass {
  readonly ethernet: number;
  /** 0: none of those that are tried. */
  readonly protocol: number;
}

const IPV4 = 0x800;
const IPV6 = 0x86dd;
const ETHERNET = { arp: 0x806, rarp: 0x8035, other: 0x88cc } as const;
const PROTOCOLS = [0, 1, 2, 6, 17, 58, 132] as const;

/**
 * Whether a packet of some protocol may match. False means that OVN accepts the match and no packet ever matches (`ip4 && ip6.dst == fd00::1`,
 * `outport == "a"` in an ACL of `from-lport`). Addresses and numbers are not compared, so true is no proof.
 */
export function mayMatch(expression: MatchExpression, limits: Limits): boolean {
  const protocols = new Set<number>(PROTOCOLS);
  collectProtocols(expression, protocols);
  for (const ethernet of [IPV4, IPV6])
    for (const protocol of protocols) if (holds(expression, false, { ethernet, protocol }, limits)) return true;
  if (limits.place === "router") return false;
  return Object.values(ETHERNET).some((ethernet) => holds(expression, false, { ethernet, protocol: 0 }, limits));
}

function collectProtocols(expression: MatchExpression, into: Set<number>): void {
  if (expression.kind === "not") collectProtocols(expression.term, into);
  else if (expression.kind === "and" || expression.kind === "or")
    for (const term of expression.terms) collectProtocols(term, into);
  else if (expression.kind === "compare" && expression.field.name === "ip.proto")
    for (const constant of expression.constants) if (constant.kind === "number") into.add(Number(constant.value));
}

/** Whether the expression, or its opposite, may hold for a packet of the class. */
function holds(expression: MatchExpression, negated: boolean, of: PacketClass, limits: Limits): boolean {
  switch (expression.kind) {
    case "constant":
      return expression.value !== negated;
    case "resident":
      return true;
    case "not":
      return holds(expression.term, !negated, of, limits);
    case "and":
    case "or": {
      const test = (term: MatchExpression): boolean => holds(term, negated, of, limits);
      return (expression.kind === "and") !== negated ? expression.terms.every(test) : expression.terms.some(test);
    }
    case "truth":
      return fieldMayHold(expression.field, negated, of, limits);
    case "range":
      return fieldMayHold(expression.field, false, of, limits);
    case "compare":
      return comparisonHolds(expression, negated, of, limits);
  }
}

function comparisonHolds(comparison: MatchComparison, negated: boolean, of: PacketClass, limits: Limits): boolean {
  const { field, operator, constants } = comparison;
  const known = field.name === "eth.type" ? of.ethernet : field.name === "ip.proto" ? of.protocol : undefined;
  if (known !== undefined && field.bits === undefined) {
    if (field.name === "ip.proto" && !isIp(of)) return false;
    const found = constants.some((c) => c.kind === "number" && c.mask === undefined && Number(c.value) === known);
    return found === ((operator === "==") !== negated);
  }
  if (field.name === "outport" && limits.place === "from-lport") return false;
  if (constants.every((c) => c.kind === "portGroup" && limits.emptyGroups?.has(c.name) === true)) return false;
  // A comparison with an empty set is a constant, without prerequisites.
  if (constants.some(({ kind }) => kind === "addressSet")) return true;
  const [first] = constants;
  if (symbolOf(field).kind === "predicate" && first?.kind === "number")
    return fieldMayHold(field, ((operator === "==") === (first.value === 0n)) !== negated, of, limits);
  return fieldMayHold(field, false, of, limits);
}

/** A predicate is expanded; a field needs its prerequisites. */
function fieldMayHold(field: MatchField, negated: boolean, of: PacketClass, limits: Limits): boolean {
  const symbol = symbolOf(field);
  if (symbol.kind === "predicate") return holds(parseMatch(symbol.expansion), negated, of, limits);
  return symbol.prerequisite === undefined || holds(parseMatch(symbol.prerequisite), false, of, limits);
}

function isIp({ ethernet }: PacketClass): boolean {
  return ethernet === IPV4 || ethernet === IPV6;
}
