// SPDX-License-Identifier: Apache-2.0

import { isStorable, quoted } from "../api/text.ts";
import { parseMatch } from "./match.ts";
import { MatchError } from "./match-error.ts";

/** A match as OVN is given it, or why it cannot be, in a sentence. */
export type UserMatch = { readonly match: string } | { readonly wrong: string };

/** So that what northd puts around it still nests less deep than OVN takes (ovn lib/expr.c, MAX_PAREN_DEPTH). */
const MAX_DEPTH = 90;

/** Strings and comments, in which nothing else has a meaning. */
const OPAQUE = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*(?:(?!\*\/)[^\n])*\*\//g;

/**
 * Reads a match that a user has written. northd and ovn-controller pass over one that they cannot read, and only log it. Comments are
 * left out: northd writes on behind a match, and a comment at its end would swallow that, and with it the whole flow.
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
