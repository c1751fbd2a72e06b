// SPDX-License-Identifier: Apache-2.0

import { UPLINKS_GROUP } from "../api/names.ts";
import { isStorable, quoted } from "../api/text.ts";
import { MatchError } from "./match-error.ts";
import { parseMatch } from "./match-evaluation.ts";
import type { MatchExpression } from "./match-expression.ts";
import { type MatchPlace, mayMatch } from "./may-match.ts";

/**
 * A match for OVN, or why it is invalid, as a message. `doubt`: OVN accepts it and it has no effect, or none as long as the northbound database lacks
 * a set that it names.
 */
export type UserMatch = { readonly match: string; readonly doubt?: string } | { readonly wrong: string };

/** Leaves room for the parentheses that northd adds (ovn lib/expr.c, MAX_PAREN_DEPTH). */
const MAX_DEPTH = 90;

/** Strings and comments, which are not parsed further. */
const OPAQUE = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*(?:(?!\*\/)[^\n])*\*\//g;

/**
 * Reads a match that a user has written. northd and ovn-controller ignore a match that they cannot parse, and only log it. Comments are removed:
 * northd appends to a match, and a comment at its end would hide that and invalidate the flow.
 */
export function readUserMatch(text: string, place: MatchPlace): UserMatch {
  if (text.trim() === "") return { wrong: "it is empty; use ip for all IP traffic" };
  if (!isStorable(text)) return { wrong: `${quoted(text)} has a character that OVN does not allow` };
  let expression: MatchExpression;
  try {
    expression = parseMatch(text);
  } catch (error) {
    if (!(error instanceof MatchError)) throw error;
    return { wrong: `${quoted(text)} is not a valid match: ${error.message}` };
  }
  if (depth(text) > MAX_DEPTH)
    return { wrong: `${quoted(text)} nests parentheses deeper than ${MAX_DEPTH}; write it flatter` };
  const match = text.replaceAll(OPAQUE, (part) => (part.startsWith("/") ? " " : part));
  const doubt = doubtOf(expression, place);
  return { match: match.trim(), ...(doubt !== undefined && { doubt: `${quoted(text)} ${doubt}` }) };
}

function doubtOf(expression: MatchExpression, place: MatchPlace): string | undefined {
  if (!mayMatch(expression, { place })) {
    if (place === "from-lport" && mayMatch(expression, { place: "to-lport" }))
      return "matches no packet: OVN does not know the outport in a rule of from-lport; write a rule of to-lport";
    if (place === "router" && mayMatch(expression, { place: "to-lport" }))
      return "matches no packet: only IP packets get to the policies of a router";
    return "matches no packet: its parts exclude each other";
  }
  const names = [...setsIn(expression)].filter((name) => !isKnown(name));
  if (names.length === 0) return undefined;
  return `names ${names.join(", ")}, which Weft does not create: OVN ignores the match as long as the northbound database has no such set`;
}

/** Whether the set is one of those for rules of users: switches' ports towards routers, the nodes' addresses, and security groups. */
function isKnown(name: string): boolean {
  return name === `@${UPLINKS_GROUP}` || /^\$weft_nodes_ip[46]$|^[@$]ovn\.sg\./.test(name);
}

/** The port groups and address sets that a match names, as they are written. */
export function setsIn(expression: MatchExpression): ReadonlySet<string> {
  switch (expression.kind) {
    case "not":
      return setsIn(expression.term);
    case "and":
    case "or":
      return new Set(expression.terms.flatMap((term) => [...setsIn(term)]));
    case "compare":
      return new Set(
        expression.constants.flatMap((constant) =>
          constant.kind === "portGroup"
            ? [`@${constant.name}`]
            : constant.kind === "addressSet"
              ? [`$${constant.name}`]
              : [],
        ),
      );
    default:
      return new Set();
  }
}

function depth(text: string): number {
  let [now, deepest] = [0, 0];
  for (const mark of text.replaceAll(OPAQUE, "")) {
    if (mark === "(") deepest = Math.max(deepest, ++now);
    else if (mark === ")") now--;
  }
  return deepest;
}
