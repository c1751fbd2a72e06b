// SPDX-License-Identifier: Apache-2.0

import { readMatch } from "./match-evaluation.ts";
import { formatMatch, type MatchComparison, type MatchConstant, type MatchExpression } from "./match-expression.ts";

/**
 * A text that is equal for matches which differ only in blanks, comments, parentheses, order or repetition of terms and constants, or `/32` after an
 * address. Matches with different texts may still be equivalent. A match that OVN cannot parse is returned unchanged.
 */
export function canonicalMatch(match: string): string {
  const expression = readMatch(match);
  return expression === undefined ? match : formatMatch(canonical(expression));
}

function canonical(expression: MatchExpression): MatchExpression {
  switch (expression.kind) {
    case "and":
    case "or": {
      const { kind } = expression;
      const inner = expression.terms.map(canonical).flatMap((term) => (term.kind === kind ? term.terms : [term]));
      const terms = sorted(inner, formatMatch);
      const [only] = terms;
      return terms.length === 1 && only !== undefined ? only : { kind, terms };
    }
    case "not": {
      const term = canonical(expression.term);
      return term.kind === "not" ? term.term : { kind: "not", term };
    }
    case "compare":
      return canonicalComparison(expression);
    default:
      return expression;
  }
}

function canonicalComparison(comparison: MatchComparison): MatchExpression {
  const text = (constant: MatchConstant): string =>
    formatMatch({ ...comparison, constants: [constant], braces: false });
  const constants = sorted(comparison.constants.map(withoutFullMask), text);
  return { ...comparison, constants, braces: constants.length > 1 };
}

/** The prefix length of a host is redundant. */
function withoutFullMask(constant: MatchConstant): MatchConstant {
  if (constant.kind !== "number" || constant.mask === undefined) return constant;
  const bits = constant.format === "ipv4" ? 32n : constant.format === "ipv6" ? 128n : undefined;
  if (bits === undefined || constant.mask !== (1n << bits) - 1n) return constant;
  const { mask: _, ...host } = constant;
  return host;
}

function sorted<T>(values: readonly T[], text: (value: T) => string): readonly T[] {
  const byText = new Map(values.map((value) => [text(value), value]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}
