// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../net/address.ts";
import { MatchError } from "./match-error.ts";

/** The notation of a number, so that printing returns the same form. */
export type NumberFormat = "decimal" | "hexadecimal" | "ipv4" | "ipv6" | "ethernet";

/** A number as OVN's lexer reads it. Bits of `value` outside `mask` are 0. */
export interface NumberToken {
  readonly kind: "number";
  readonly value: bigint;
  readonly mask?: bigint;
  readonly format: NumberFormat;
}

/** The punctuation of the language. */
export type Mark = (typeof MARKS)[number];

/** One token, with its position in the text. */
export type Token = { readonly at: number } & (
  | { readonly kind: "end" }
  | { readonly kind: "mark"; readonly mark: Mark }
  | { readonly kind: "identifier"; readonly name: string }
  /** `$name` */
  | { readonly kind: "addressSet"; readonly name: string }
  /** `@name` */
  | { readonly kind: "portGroup"; readonly name: string }
  | { readonly kind: "string"; readonly text: string }
  | NumberToken
);

/** Longer ones first: the first match is used. */
const MARKS = ["&&", "||", "==", "!=", "<=", ">=", "..", "(", ")", "{", "}", "[", "]", "<", ">", "!", ","] as const;

const SPACE = /(?:[ \t\n\r\v\f]+|\/\/[^\n]*|\/\*(?:(?!\*\/)[^\n])*\*\/)*/y;
const IDENTIFIER = /[A-Za-z_.][A-Za-z0-9_.]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
/** The colon distinguishes an address that begins with a letter from an identifier. */
const NUMBER_START = /[0-9]|::|[0-9a-fA-F]+:/y;
/** A double dot ends a number. */
const NUMBER = /(?:[A-Za-z0-9:]|\.(?!\.))+/y;

/** Splits a match into tokens, as OVN's lexer does (ovn lib/lex.c; ovn-sb(5), "Constants"). Throws `MatchError` `syntax`. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0] ?? "";
  };
  for (;;) {
    at += take(SPACE).length;
    if (at === text.length) {
      tokens.push({ kind: "end", at });
      return tokens;
    }
    const [length, token] = readToken(text, at, take);
    tokens.push({ ...token, at });
    at += length;
  }
}

type Bare = Token extends infer T ? (T extends Token ? Omit<T, "at"> : never) : never;

function readToken(text: string, at: number, take: (pattern: RegExp) => string): readonly [number, Bare] {
  const first = text[at] ?? "";
  if (first === "$" || first === "@") {
    IDENTIFIER.lastIndex = at + 1;
    const name = IDENTIFIER.exec(text)?.[0];
    if (name === undefined) throw new MatchError("syntax", `"${first}" is not followed by a name`, at);
    return [name.length + 1, { kind: first === "$" ? "addressSet" : "portGroup", name }];
  }
  if (first === '"') {
    const literal = take(STRING);
    try {
      return [literal.length, { kind: "string", text: String(JSON.parse(literal)) }];
    } catch {
      throw new MatchError("syntax", "this is not a valid JSON string", at);
    }
  }
  if (take(NUMBER_START) !== "") return readNumber(text, at, take(NUMBER));
  // Before identifiers, which may begin with a dot in OVN; no field does.
  const mark = MARKS.find((candidate) => text.startsWith(candidate, at));
  if (mark !== undefined) return [mark.length, { kind: "mark", mark }];
  const name = take(IDENTIFIER);
  if (name !== "") return [name.length, { kind: "identifier", name }];
  throw new MatchError("syntax", `${JSON.stringify(first)} has no meaning here`, at);
}

function readNumber(text: string, at: number, literal: string): readonly [number, NumberToken] {
  const value = parseNumber(literal, at);
  const slash = at + literal.length;
  if (text[slash] !== "/") return [literal.length, value];
  NUMBER.lastIndex = slash + 1;
  const maskText = NUMBER.exec(text)?.[0] ?? "";
  const length = literal.length + 1 + maskText.length;
  const given = parseNumber(maskText, slash + 1);
  const mask = maskOf(value, given);
  if (mask === undefined) throw new MatchError("syntax", `/${maskText} is no mask for ${literal}`, slash);
  const format = value.format === "decimal" ? given.format : value.format;
  return [length, { kind: "number", value: value.value & mask, mask, format }];
}

function maskOf(value: NumberToken, mask: NumberToken): bigint | undefined {
  if (value.format === mask.format) return mask.value;
  const bits = value.format === "ipv4" ? 32n : value.format === "ipv6" ? 128n : 0n;
  if (bits > 0n && mask.format === "decimal" && mask.value <= bits) {
    return ((1n << mask.value) - 1n) << (bits - mask.value);
  }
  // OVN accepts 0/0x1234 and no other mix of notations.
  return value.format === "decimal" && mask.format === "hexadecimal" && value.value === 0n ? mask.value : undefined;
}

/** Reads one number without mask. Throws `MatchError` `syntax`. */
function parseNumber(text: string, at: number): NumberToken {
  const number = (value: bigint, format: NumberFormat): NumberToken => ({ kind: "number", value, format });
  if (/^(?:0|[1-9][0-9]{0,19})$/.test(text)) {
    const value = BigInt(text);
    if (value < 1n << 64n) return number(value, "decimal");
  } else if (/^0[xX][0-9a-fA-F]{1,64}$/.test(text)) {
    return number(BigInt(text), "hexadecimal");
  } else if (/^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}$/.test(text)) {
    return number(BigInt(`0x${text.replaceAll(":", "")}`), "ethernet");
  } else {
    const ip = parseIp(text);
    if (ip !== undefined) return number(ip.value, ip.family === 4 ? "ipv4" : "ipv6");
  }
  const shown = text.length > 50 ? `${text.slice(0, 50)}…` : text;
  throw new MatchError("syntax", `${JSON.stringify(shown)} is neither a number nor an address`, at);
}

/** Reads an entry of an address set: an address, with or without a mask. `undefined` for anything else, which OVN ignores. */
export function parseAddress(text: string): NumberToken | undefined {
  try {
    const [length, token] = readNumber(text, 0, /^[A-Za-z0-9:.]*/.exec(text)?.[0] ?? "");
    return length === text.length ? token : undefined;
  } catch {
    return undefined;
  }
}
