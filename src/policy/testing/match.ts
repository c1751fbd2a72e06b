// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import type { MatchConstant, MatchExpression, MatchField, MatchRange } from "../match-expression.ts";
import type { NumberToken } from "../match-lexer.ts";

/** Matches for property tests: of few fields, names and numbers, so that they collide. Only what OVN takes. */

const v4: fc.Arbitrary<NumberToken> = fc
  .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 }), fc.constantFrom(undefined, 0, 8, 30, 31, 32))
  .map(([net, host, prefix]) => {
    const value = BigInt(0x0a00_0000 + net * 256 + host);
    if (prefix === undefined) return { kind: "number", value, format: "ipv4" };
    const mask = (0xffff_ffffn >> BigInt(32 - prefix)) << BigInt(32 - prefix);
    return { kind: "number", value: value & mask, mask, format: "ipv4" };
  });

const v6: fc.Arbitrary<NumberToken> = fc
  .tuple(fc.bigInt(0n, 7n), fc.bigInt(0n, 7n), fc.constantFrom(undefined, 0n, 64n, 126n, 128n))
  .map(([net, host, prefix]) => {
    const value = (0xfd00n << 112n) | (net << 64n) | host;
    if (prefix === undefined) return { kind: "number", value, format: "ipv6" };
    const mask = ((1n << prefix) - 1n) << (128n - prefix);
    return { kind: "number", value: value & mask, mask, format: "ipv6" };
  });

const port: fc.Arbitrary<NumberToken> = fc
  .tuple(fc.constantFrom(0n, 1n, 79n, 80n, 81n, 443n, 65535n), fc.constantFrom("decimal", "hexadecimal"))
  .map(([value, format]) => ({ kind: "number", value, format }));

const mac: fc.Arbitrary<NumberToken> = fc
  .bigInt(0n, (1n << 48n) - 1n)
  .map((value) => ({ kind: "number", value, format: "ethernet" }));

const NUMERIC: readonly (readonly [readonly string[], fc.Arbitrary<NumberToken>])[] = [
  [["ip4.src", "ip4.dst"], v4],
  [["ip6.src", "ip6.dst"], v6],
  [["tcp.src", "tcp.dst", "udp.dst", "sctp.dst"], port],
  [["eth.src"], mac],
];

function comparison(
  fields: readonly string[],
  constant: fc.Arbitrary<MatchConstant>,
  operators: readonly ("==" | "!=")[],
): fc.Arbitrary<MatchExpression> {
  return fc
    .tuple(
      fc.constantFrom(...fields),
      fc.constantFrom(...operators),
      fc.array(constant, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
    )
    .map(([name, operator, constants, braces]) => ({
      kind: "compare",
      field: { name },
      operator,
      constants,
      braces: braces || constants.length > 1,
    }));
}

const setName = fc.constantFrom<MatchConstant>(
  { kind: "addressSet", name: "some" },
  { kind: "addressSet", name: "weft.pods.none_ip4" },
);

const ports: fc.Arbitrary<MatchExpression> = comparison(
  ["inport", "outport"],
  fc.oneof(
    fc.constantFrom<MatchConstant>({ kind: "portGroup", name: "weft.pods.a" }, { kind: "portGroup", name: "b_c" }),
    fc.string({ maxLength: 5 }).map((text): MatchConstant => ({ kind: "string", text })),
    fc.constantFrom("web", 'quo"ted').map((text): MatchConstant => ({ kind: "string", text })),
  ),
  ["=="],
);

const numeric: fc.Arbitrary<MatchExpression> = fc.oneof(
  ...NUMERIC.map(([fields, constant]) =>
    comparison(fields, fields[0]?.startsWith("ip4") ? fc.oneof(constant, setName) : constant, ["==", "!="]),
  ),
);

const range: fc.Arbitrary<MatchRange> = fc
  .tuple(port, fc.constantFrom("tcp.dst", "udp.dst"), port, fc.boolean(), fc.boolean(), fc.boolean())
  .map(([left, name, right, up, leftEqual, rightEqual]) => ({
    kind: "range",
    field: { name },
    left,
    leftOperator: `${up ? "<" : ">"}${leftEqual ? "=" : ""}` as MatchRange["leftOperator"],
    rightOperator: `${up ? "<" : ">"}${rightEqual ? "=" : ""}` as MatchRange["rightOperator"],
    right,
  }));

const order: fc.Arbitrary<MatchExpression> = fc
  .tuple(fc.constantFrom<("<" | "<=" | ">" | ">=")[]>("<", "<=", ">", ">="), port)
  .map(([operator, constant]) => ({
    kind: "compare",
    field: { name: "tcp.dst" },
    operator,
    constants: [constant],
    braces: false,
  }));

/** May be negated. */
const ordinal: fc.Arbitrary<MatchExpression> = fc.oneof(
  numeric,
  range,
  order,
  fc.boolean().map((value): MatchExpression => ({ kind: "constant", value })),
  fc
    .constantFrom<MatchField>(
      { name: "ct.est" },
      { name: "ip.later_frag" },
      { name: "eth.dst", bits: { low: 40, high: 40 } },
    )
    .map((field): MatchExpression => ({ kind: "truth", field })),
  fc.constantFrom("web", 'quo"ted').map((port): MatchExpression => ({ kind: "resident", port })),
);

/** May not: OVN tests these in a positive sense only. */
const nominal: fc.Arbitrary<MatchExpression> = fc.oneof(
  ports,
  fc
    .constantFrom("ip4", "ip6", "ip", "tcp", "udp", "icmp", "arp")
    .map((name): MatchExpression => ({ kind: "truth", field: { name } })),
);

/** A match as {@link parseMatch} gives it. */
export const matches: fc.Arbitrary<MatchExpression> = fc.letrec<{ any: MatchExpression; free: MatchExpression }>(
  (tie) => {
    const grown = (leaf: fc.Arbitrary<MatchExpression>, inner: "any" | "free"): fc.Arbitrary<MatchExpression> =>
      fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        leaf,
        fc
          .tuple(fc.constantFrom("and" as const, "or" as const), fc.array(tie(inner), { minLength: 2, maxLength: 3 }))
          .map(([kind, terms]): MatchExpression => ({ kind, terms })),
        tie("free").map((term): MatchExpression => ({ kind: "not", term })),
      );
    return { any: grown(fc.oneof(nominal, ordinal), "any"), free: grown(ordinal, "free") };
  },
).any;

/** A match as its rule says it, without the further fragments that go with the first one. */
export function withoutFragments(match: string): string {
  return match
    .replaceAll(/ \|\| \(ip\.later_frag && ip\.proto == \{\d+, 44\}\)/g, "")
    .replaceAll(/\((\w+\.dst [^()|]*|\d+ <= [^()|]*|tcp|udp|sctp)\)/g, "$1");
}
