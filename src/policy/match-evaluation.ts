// SPDX-License-Identifier: Apache-2.0

import { MatchError } from "./match-error.ts";
import type { MatchComparison, MatchExpression, MatchField, MatchOperator } from "./match-expression.ts";
import type { NumberToken } from "./match-lexer.ts";
import { isOrder, isTooWide, parseExpression, symbolOf } from "./match-parser.ts";
import { type NumberSet, numberSet, numbersOfSet } from "./number-set.ts";
import { type NamedSets, numericField, type Packet } from "./packet.ts";

/** The number of parsed matches in the cache. A cluster of 1,000 policies has some thousand. */
const KEPT = 16_384;
/** Longer ones are not cached: they are few, and the memory must be bounded. */
const KEPT_LENGTH = 4096;

const READ = new Map<string, MatchExpression>();

/**
 * Parses the match of an ACL (which is made in `acl-match.ts`, and only read here): the language of ovn-sb(5), Logical_Flow `match`. Refuses what OVN refuses, because OVN installs no flow for it. Recent
 * results are cached. Throws {@link MatchError} only.
 */
export function parseMatch(text: string): MatchExpression {
  const known = READ.get(text);
  if (known !== undefined) return known;
  const expression = parseExpression(text);
  if (text.length <= KEPT_LENGTH) {
    if (READ.size >= KEPT) for (const oldest of READ.keys()) if (READ.delete(oldest)) break;
    READ.set(text, expression);
  }
  return expression;
}

/** The match of an ACL; `undefined` if OVN refuses it and installs no flow for the ACL. */
export function readMatch(text: string): MatchExpression | undefined {
  try {
    return parseMatch(text);
  } catch (error) {
    if (error instanceof MatchError) return undefined;
    throw error;
  }
}

type Test = (packet: Packet, sets: NamedSets) => boolean;

/** A match prepared for evaluation. */
interface Ready {
  readonly test: Test;
  /** Throws if a set is missing or invalid. */
  readonly verify: (sets: NamedSets) => void;
}

const READY = new WeakMap<MatchExpression, Ready>();

/**
 * Whether the packet matches. Repeated evaluations of an expression are fast. Throws {@link MatchError} `unknown-set` or `type` if the result is
 * true, or depends on a set that does not exist or has members that do not fit the field: OVN installs no flow for such a match.
 * As in OVN, each test of a field implies its prerequisites also when it is negated: `ip4.src != 10.0.0.1` is of IPv4 packets
 * only; and a comparison with nothing but empty sets is a constant, without prerequisites.
 */
export function evaluateMatch(expression: MatchExpression, packet: Packet, sets: NamedSets): boolean {
  let ready = READY.get(expression);
  if (ready === undefined) {
    ready = { test: build(expression, false), verify: verifier(expression) };
    READY.set(expression, ready);
  }
  if (!ready.test(packet, sets)) return false;
  // Alternatives that were not evaluated can prevent OVN from installing the whole match.
  ready.verify(sets);
  return true;
}

/** The same for OVN's flows: a match that cannot be installed because of a set matches nothing. */
export function isMatch(expression: MatchExpression, packet: Packet, sets: NamedSets): boolean {
  try {
    return evaluateMatch(expression, packet, sets);
  } catch (error) {
    if (error instanceof MatchError) return false;
    throw error;
  }
}

/** The test of an expression or its negation, which is propagated to the comparisons (ovn lib/expr.c, `expr_not`). */
function build(expression: MatchExpression, negated: boolean): Test {
  switch (expression.kind) {
    case "constant":
      return always(expression.value !== negated);
    case "not":
      return build(expression.term, !negated);
    case "and":
    case "or": {
      const tests = expression.terms.map((term) => build(term, negated));
      return (expression.kind === "and") !== negated
        ? (packet, sets) => tests.every((test) => test(packet, sets))
        : (packet, sets) => tests.some((test) => test(packet, sets));
    }
    case "resident": {
      const { port } = expression;
      return ({ node }, sets) => (node !== undefined && sets.nodeOf?.(port) === node) !== negated;
    }
    case "truth":
      return buildNumeric(expression.field, negated ? "==" : "!=", () => ZERO);
    case "range": {
      const { field, left, leftOperator, rightOperator, right } = expression;
      const mirrored = leftOperator.startsWith("<") ? leftOperator.replace("<", ">") : leftOperator.replace(">", "<");
      const both = [
        comparison(field, mirrored as MatchOperator, left),
        comparison(field, rightOperator, right),
      ] as const;
      return build({ kind: "and", terms: both }, negated);
    }
    case "compare":
      return buildComparison(expression, negated);
  }
}

const ZERO = numberSet([{ kind: "number", value: 0n, format: "decimal" }]);

function always(value: boolean): Test {
  return () => value;
}

function comparison(field: MatchField, operator: MatchOperator, number: NumberToken): MatchComparison {
  return { kind: "compare", field, operator, constants: [number], braces: false };
}

const OPPOSITE = { "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">" } as const;

function buildComparison({ field, operator, constants }: MatchComparison, negated: boolean): Test {
  const effective = negated ? OPPOSITE[operator] : operator;
  const symbol = symbolOf(field);
  if (symbol.kind === "field" && symbol.width === 0) return buildPort(field.name, effective, constants);
  const numbers = constants.filter((constant) => constant.kind === "number");
  const names = constants.filter((constant) => constant.kind === "addressSet").map(({ name }) => name);
  const [only] = numbers;
  // The parser allows one number for ordered comparisons.
  if (isOrder(effective)) return only === undefined ? always(false) : buildOrder(field, effective, only.value);
  const written = numberSet(numbers);
  if (names.length === 0) return buildNumeric(field, effective, () => written);
  return buildNumeric(field, effective, (sets) => {
    const all = names.map((name) => findAddresses(field, name, sets));
    if (numbers.length > 0) all.push(written);
    return all.length === 1 && all[0] !== undefined ? all[0] : union(all);
  });
}

function findAddresses(field: MatchField, name: string, sets: NamedSets): NumberSet {
  const addresses = sets.addressSet(name);
  if (addresses === undefined) throw new MatchError("unknown-set", `there is no address set ${name}`);
  const set = numbersOfSet(addresses);
  if (set.widest !== undefined && isTooWide(set.widest, symbolOf(field))) {
    throw new MatchError("type", `the members of address set ${name} do not fit ${field.name}`);
  }
  return set;
}

function findPorts(name: string, sets: NamedSets): ReadonlySet<string> {
  const group = sets.portGroup(name);
  if (group === undefined) throw new MatchError("unknown-set", `there is no port group ${name}`);
  return group;
}

/** Checks all sets that an expression names. */
function verifier(expression: MatchExpression): (sets: NamedSets) => void {
  const checks: ((sets: NamedSets) => void)[] = [];
  const collect = (part: MatchExpression): void => {
    if (part.kind === "not") collect(part.term);
    else if (part.kind === "and" || part.kind === "or") part.terms.forEach(collect);
    else if (part.kind === "compare") {
      for (const constant of part.constants) {
        if (constant.kind === "addressSet") checks.push((sets) => findAddresses(part.field, constant.name, sets));
        if (constant.kind === "portGroup") checks.push((sets) => findPorts(constant.name, sets));
      }
    }
  };
  collect(expression);
  return (sets) => {
    for (const check of checks) check(sets);
  };
}

function union(sets: readonly NumberSet[]): Pick<NumberSet, "size" | "has"> {
  return {
    size: sets.reduce((sum, set) => sum + set.size, 0),
    has: (value) => sets.some((set) => set.has(value)),
  };
}

function buildPort(name: string, operator: MatchOperator, constants: MatchComparison["constants"]): Test {
  const port = (packet: Packet): string | undefined => (name === "inport" ? packet.inport : packet.outport);
  const names = new Set(constants.filter((constant) => constant.kind === "string").map(({ text }) => text));
  const groups = constants.filter((constant) => constant.kind === "portGroup").map((group) => group.name);
  const [first] = groups;
  const test: Test =
    groups.length === 1 && names.size === 0 && first !== undefined
      ? (packet, sets) => findPorts(first, sets).has(port(packet) ?? "")
      : (packet, sets) => {
          const found = groups.map((group) => findPorts(group, sets));
          const it = port(packet);
          return it !== undefined && (names.has(it) || found.some((group) => group.has(it)));
        };
  // The parser allows only positive tests of ports.
  return operator === "==" ? test : always(false);
}

/** The value of a field or predicate, or of some of its bits; `undefined` if the packet does not have it. */
function reader(field: MatchField): (packet: Packet, sets: NamedSets) => bigint | undefined {
  const symbol = symbolOf(field);
  if (symbol.kind === "predicate") {
    const test = expansion(symbol.expansion);
    return (packet, sets) => (test(packet, sets) ? 1n : 0n);
  }
  const read = numericField(field.name);
  if (field.bits === undefined) return read;
  const { low, high } = field.bits;
  const [shift, mask] = [BigInt(low), (1n << BigInt(high - low + 1)) - 1n];
  return (packet) => {
    const value = read(packet);
    return value === undefined ? undefined : (value >> shift) & mask;
  };
}

/** Every test of a field implies its prerequisites. */
function prerequisite(field: MatchField): Test | undefined {
  const symbol = symbolOf(field);
  return symbol.kind === "field" && symbol.prerequisite !== undefined ? expansion(symbol.prerequisite) : undefined;
}

function expansion(text: string): Test {
  const expression = parseMatch(text);
  return (packet, sets) => evaluateMatch(expression, packet, sets);
}

function buildNumeric(
  field: MatchField,
  operator: "==" | "!=",
  constants: (sets: NamedSets) => Pick<NumberSet, "size" | "has">,
): Test {
  const [read, needed] = [reader(field), prerequisite(field)];
  const wanted = operator === "==";
  return (packet, sets) => {
    const set = constants(sets);
    if (set.size === 0) return !wanted;
    if (needed !== undefined && !needed(packet, sets)) return false;
    const value = read(packet, sets);
    return value !== undefined && set.has(value) === wanted;
  };
}

function buildOrder(field: MatchField, operator: "<" | "<=" | ">" | ">=", limit: bigint): Test {
  const [read, needed] = [reader(field), prerequisite(field)];
  const holds = {
    "<": (value: bigint) => value < limit,
    "<=": (value: bigint) => value <= limit,
    ">": (value: bigint) => value > limit,
    ">=": (value: bigint) => value >= limit,
  }[operator];
  return (packet, sets) => {
    if (needed !== undefined && !needed(packet, sets)) return false;
    const value = read(packet, sets);
    return value !== undefined && holds(value);
  };
}
