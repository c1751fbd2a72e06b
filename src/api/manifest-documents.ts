// SPDX-License-Identifier: Apache-2.0

import { type Document, parseAllDocuments } from "yaml";

/** A document of a manifest: its content (null if it is empty), with the line at which that begins, from 1; or why it cannot be read. */
export type ManifestDocument =
  | { readonly line: number; readonly value: unknown }
  | { readonly line: number; readonly problem: string };

/** An alias repeats what it refers to: a short text can describe more than fits into memory. */
const MAX_ALIASES = 100;

/** The documents of a manifest, YAML or JSON, each read when it is its turn. Any text is accepted; a problem names the line. */
export function* manifestDocuments(text: string): Iterable<ManifestDocument> {
  for (const document of parseAllDocuments(text, { prettyErrors: true })) {
    const line = text.slice(0, document.contents?.range?.[0] ?? 0).split("\n").length;
    const [error] = document.errors;
    if (error !== undefined) yield { line, problem: error.message };
    else yield read(document, line);
  }
}

function read(document: Document.Parsed, line: number): ManifestDocument {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { line, value: value ?? null };
  } catch {
    return { line, problem: `line ${line}: more than ${MAX_ALIASES} aliases, or an alias of an unknown anchor` };
  }
}
