// SPDX-License-Identifier: Apache-2.0

import { isStorable, quoted } from "../api/text.ts";
import { parseMatch } from "./match.ts";
import { MatchError } from "./match-error.ts";

/** A match for OVN, or why it is invalid, as a message. */
export type UserMatch = { readonly match: string } | { readonly wrong: string };

/** Leaves room for the parentheses that northd adds (ovn lib/expr.c, MAX_PAREN_DEPTH). */
const MAX_DEPTH = 90;

/** Strings and comments, which are not parsed further. */
const OPAQUE = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*(?:(?!\*\/)[^\n])*\*\//g;

/**
 * Reads a match that a user has written. northd and ovn-controller ignore a match that they cannot parse, and only log it. Comments are removed:
 * northd appends to a match, and a comment at its end would hide that and invalidate the flow.
 */
export function readUserMatch(text: string): UserMatch {
  if (text.trim() === "") return { wrong: "it is empty, and says nothing; ip stands for all IP traffic" };
  if (!isStorable(text)) return { wrong: `${quoted(text)} has a character that OVN does not allow` };
  try {
    parseMatch(text);
  } catch (error) {
    if (!(error instanceof MatchError)) throw error;
    return { wrong: `${quoted(text)} is not of OVN's language: ${error.message}` };
  }
  if (depth(text) > MAX_DEPTH)
    return { wrong: `${quoted(text)} nests parentheses deeper than ${MAX_DEPTH}; write it flatter` };
  const match = text.replaceAll(OPAQUE, (part) => (part.startsWith("/") ? " " : part));
  return { match: match.trim() };
}

function depth(text: string): number {
  let [now, deepest] = [0, 0];
  for (const mark of text.replaceAll(OPAQUE, "")) {
    if (mark === "(") deepest = Math.max(deepest, ++now);
    else if (mark === ")") now--;
  }
  return deepest;
}
