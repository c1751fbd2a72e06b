// SPDX-License-Identifier: Apache-2.0

import { ipFromValue } from "../net/address.ts";
import type { NumberFormat, NumberToken } from "./match-lexer.ts";

/** A parsed match. Values are plain and immutable; {@link formatMatch} returns a text that parses to the same. */
export type MatchExpression =
  | { readonly kind: "and" | "or"; readonly terms: readonly MatchExpression[] }
  | { readonly kind: "not"; readonly term: MatchExpression }
  /** `1` and `0`. */
  | { readonly kind: "constant"; readonly value: boolean }
  /** A predicate (`ip4`), or a field that is compared with 0 implicitly. */
  | { readonly kind: "truth"; readonly field: MatchField }
  /** `is_chassis_resident("port")`. */
  | { readonly kind: "resident"; readonly port: string }
  | MatchComparison
  | MatchRange;

/** `field == {a, b}`: with `==` any of them, with `!=` none of them. */
export interface MatchComparison {
  readonly kind: "compare";
  readonly field: MatchField;
  readonly operator: MatchOperator;
  readonly constants: readonly MatchConstant[];
  /** Whether the constants are in braces; several must be. */
  readonly braces: boolean;
}

/** `low <= field <= high`, or downwards with `>`. */
export interface MatchRange {
  readonly kind: "range";
  readonly field: MatchField;
  readonly left: NumberToken;
  readonly leftOperator: MatchOrder;
  readonly rightOperator: MatchOrder;
  readonly right: NumberToken;
}

export type MatchOrder = "<" | "<=" | ">" | ">=";
export type MatchOperator = "==" | "!=" | MatchOrder;

/** A symbol, or some of its bits (both ends included, 0 is the least significant). */
export interface MatchField {
  readonly name: string;
  readonly bits?: { readonly low: number; readonly high: number };
}

/** What a field is compared with. */
export type MatchConstant =
  | NumberToken
  | { readonly kind: "string"; readonly text: string }
  /** `$name`: all addresses of the set. */
  | { readonly kind: "addressSet"; readonly name: string }
  /** `@name`: all ports of the group. */
  | { readonly kind: "portGroup"; readonly name: string };

/** The only function of the language: whether a port is on the chassis that evaluates the rule. */
export const RESIDENT = "is_chassis_resident";

/** The text of a match, with as few parentheses as possible. */
export function formatMatch(expression: MatchExpression): string {
  switch (expression.kind) {
    case "and":
    case "or":
      return expression.terms.map(formatTerm).join(expression.kind === "and" ? " && " : " || ");
    case "resident":
      return `${RESIDENT}(${JSON.stringify(expression.port)})`;
    case "not": {
      const { term } = expression;
      const bare = term.kind === "constant" || term.kind === "truth" || term.kind === "resident";
      return bare ? `!${formatMatch(term)}` : `!(${formatMatch(term)})`;
    }
    case "constant":
      return expression.value ? "1" : "0";
    case "truth":
      return formatField(expression.field);
    case "compare": {
      const constants = expression.constants.map(formatConstant).join(", ");
      return `${formatField(expression.field)} ${expression.operator} ${expression.braces ? `{${constants}}` : constants}`;
    }
    case "range": {
      const { left, leftOperator, field, rightOperator, right } = expression;
      return `${formatConstant(left)} ${leftOperator} ${formatField(field)} ${rightOperator} ${formatConstant(right)}`;
    }
  }
}

/**
 * `&&` and `
 *
 * ` need parentheses when combined; OVN allows additional ones.
 */
function formatTerm(term: MatchExpression): string {
  return term.kind === "and" || term.kind === "or" ? `(${formatMatch(term)})` : formatMatch(term);
}

function formatField({ name, bits }: MatchField): string {
  if (bits === undefined) return name;
  return bits.low === bits.high ? `${name}[${bits.low}]` : `${name}[${bits.low}..${bits.high}]`;
}

function formatConstant(constant: MatchConstant): string {
  switch (constant.kind) {
    case "string":
      return JSON.stringify(constant.text);
    case "addressSet":
      return `$${constant.name}`;
    case "portGroup":
      return `@${constant.name}`;
    case "number": {
      const { value, mask, format } = constant;
      if (mask === undefined) return formatNumber(value, format);
      return `${formatNumber(value, format)}/${prefixLength(mask, format) ?? formatNumber(mask, format)}`;
    }
  }
}

function formatNumber(value: bigint, format: NumberFormat): string {
  switch (format) {
    case "decimal":
      return value.toString();
    case "hexadecimal":
      return `0x${value.toString(16)}`;
    case "ethernet":
      return value
        .toString(16)
        .padStart(12, "0")
        .replaceAll(/(..)(?!$)/g, "$1:");
    case "ipv4":
    case "ipv6":
      return ipFromValue(format === "ipv4" ? 4 : 6, value).text;
  }
}

/** The length of the prefix that the mask is; undefined if it is not a prefix. */
function prefixLength(mask: bigint, format: NumberFormat): number | undefined {
  if (format !== "ipv4" && format !== "ipv6") return undefined;
  const bits = format === "ipv4" ? 32 : 128;
  const zeros = (~mask & ((1n << BigInt(bits)) - 1n)) + 1n;
  // The bits outside are a run from the lowest on exactly when, with one added, they are a power of two.
  return (zeros & (zeros - 1n)) === 0n ? bits - (zeros.toString(2).length - 1) : undefined;
}
