// SPDX-License-Identifier: Apache-2.0

/** Terms that text of this project does not use, and what it says instead. */
export type Terms = Readonly<Record<string, string>>;

/** One place where a term stands. `line` is 0 for the name of the file. */
export interface Found {
  readonly file: string;
  readonly line: number;
  readonly term: string;
}

/** How often each term stands in each folder. */
export type TermCounts = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * Where terms stand in a file: in its text, also over the end of a line of a comment, in names like `inForce`, and in its own name. What is joined by
 * hyphens or underscores in the text is not found: annotations that users have written keep their names.
 */
export function findTerms(file: string, text: string, terms: Terms): readonly Found[] {
  const found: Found[] = [];
  for (const term of Object.keys(terms)) {
    const words = term.split(" ");
    if (new RegExp(`\\b${words.join("[-_ ]?")}`, "i").test(file)) found.push({ file, line: 0, term });
    for (const { index } of text.matchAll(patternOf(words))) {
      found.push({ file, line: text.slice(0, index).split("\n").length, term });
    }
  }
  return found;
}

/** Between two words: white space, with what begins a line of a comment or a quotation. A term in the plural is the term. */
const BETWEEN = "(?:[ \\t]|\\r?\\n[ \\t]*(?:\\/\\/|\\*|#|>)?)+";

function patternOf(words: readonly string[]): RegExp {
  const anyCase = (word: string): string => word.replaceAll(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
  const prose = `\\b${words.map(anyCase).join(BETWEEN)}s?\\b`;
  const [first = "", ...others] = words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`);
  // In the middle of a name, at its beginning, or at the beginning of a type's.
  const name = `(?:\\b${words[0]}|(?<=[a-z0-9]|\\b)${first})${others.join("")}(?![a-z])`;
  return new RegExp(others.length === 0 ? `${prose}|(?<=[a-z0-9])${first}(?![a-z])` : `${prose}|${name}`, "g");
}

/** The folder in which a file is counted: the first two of its path (`src/policy`), or `.`. */
function folderOf(file: string): string {
  const parts = file.split("/").slice(0, -1);
  return parts.length === 0 ? "." : parts.slice(0, 2).join("/");
}

/** Counts by folder and term, both in their order, so that the same places give the same text. */
export function count(found: readonly Found[]): TermCounts {
  const counts: Record<string, Record<string, number>> = {};
  const sorted = found
    .map(({ file, term }) => [folderOf(file), term] as const)
    .sort((a, b) => (`${a}` < `${b}` ? -1 : 1));
  for (const [folder, term] of sorted) {
    counts[folder] = { ...counts[folder], [term]: (counts[folder]?.[term] ?? 0) + 1 };
  }
  return counts;
}

/** What of `found` is in a folder that has more of the term than `allowed`: all of them, for which is the new one cannot be told. */
export function tooMany(found: readonly Found[], allowed: TermCounts): readonly Found[] {
  const counts = count(found);
  return found.filter(({ file, term }) => {
    const folder = folderOf(file);
    return (counts[folder]?.[term] ?? 0) > (allowed[folder]?.[term] ?? 0);
  });
}

/**
 * `allowed`, lowered to what there is. A folder gets more of a term only where the project has no more of it than before: a folder that was moved keeps
 * what it had.
 */
export function lowered(found: readonly Found[], allowed: TermCounts): TermCounts {
  const there = count(found);
  const sum = (counts: TermCounts, term: string): number =>
    Object.values(counts).reduce((total, terms) => total + (terms[term] ?? 0), 0);
  const kept = Object.entries(there).map(([folder, terms]) => {
    const fewer = Object.entries(terms).map(([term, n]) => {
      const moved = sum(there, term) <= sum(allowed, term);
      return [term, moved ? n : Math.min(n, allowed[folder]?.[term] ?? 0)] as const;
    });
    return [folder, Object.fromEntries(fewer.filter(([, n]) => n > 0))] as const;
  });
  return Object.fromEntries(kept.filter(([, terms]) => Object.keys(terms).length > 0));
}
