// SPDX-License-Identifier: Apache-2.0

import { quoted } from "../api/text.ts";
import type { PolicyProblem } from "../policy/types.ts";

/** One `name=value` of a list, with the value as written. */
export interface WrittenOption {
  readonly name: string;
  readonly value: string;
}

/** The result of parsing a list of options: those that OVN accepts, in its syntax, and why the others are left out. */
export interface ReadOptions {
  readonly options: Readonly<Record<string, string>>;
  readonly problems: readonly PolicyProblem[];
}

/** An option's value in OVN's syntax, or why it is invalid, as the end of a message. */
export type OptionReader = (value: string) => { readonly value: string } | { readonly wrong: string };

/**
 * Parses `name=value` pairs separated by commas. A comma in quotes or braces belongs to the value, and so does a part
 * without a name (`dns_server=8.8.8.8,1.1.1.1`). Unknown and invalid options are left out and reported at `path`.
 */
export function readOptionList(text: string, path: string, readers: ReadonlyMap<string, OptionReader>): ReadOptions {
  const options: Record<string, string> = {};
  const problems: PolicyProblem[] = [];
  const complain = (message: string): unknown => problems.push({ path, reason: "InvalidOption", message });
  for (const { name, value } of writtenOptions(text, complain)) {
    const read = readers.get(name);
    if (read === undefined) {
      complain(`${quoted(name)} is not an option of OVN; it must be one of: ${namesOf(readers)}`);
      continue;
    }
    const made = read(value);
    if ("value" in made) options[name] = made.value;
    else complain(`${name} ${quoted(value)} ${made.wrong}; the option is ignored`);
  }
  return { options, problems };
}

/** Set by northd itself. */
export const ownOption: OptionReader = () => ({ wrong: "is set by OVN from the port's address" });

function namesOf(readers: ReadonlyMap<string, OptionReader>): string {
  const names = [...readers].flatMap(([name, reader]) => (reader === ownOption ? [] : name));
  return names.sort().join(", ");
}

function writtenOptions(text: string, complain: (message: string) => unknown): readonly WrittenOption[] {
  const found: { readonly name: string; value: string }[] = [];
  for (const part of splitOutside(text, ",")) {
    const [, name, value = ""] = /^\s*([^="{}]*?)\s*=(.*)$/s.exec(part) ?? [];
    const last = found.at(-1);
    if (name) found.push({ name, value: value.trim() });
    else if (name === undefined && last !== undefined && part.trim() !== "") last.value += `,${part.trim()}`;
    else if (part.trim() !== "")
      complain(`${quoted(part.trim())} is not a valid option; options must be name=value, separated by commas`);
  }
  return found;
}

/** Splits at separators outside of quotes and braces. */
function splitOutside(text: string, separator: string): readonly string[] {
  const parts: string[] = [];
  let [start, depth, inQuotes] = [0, 0, false];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (inQuotes && character === "\\") i++;
    else if (character === '"') inQuotes = !inQuotes;
    else if (inQuotes) continue;
    else if (character === "{") depth++;
    else if (character === "}") depth--;
    else if (character === separator && depth <= 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

/** The members of a list, optionally in braces or quotes; separated by commas, semicolons or blanks. */
export function members(value: string): readonly string[] {
  const inner = /^\{(.*)\}$|^"(.*)"$/s.exec(value);
  const text = inner?.[1] ?? inner?.[2] ?? value;
  return text.split(/[,;\s]+/).filter((member) => member !== "");
}
