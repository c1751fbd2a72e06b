// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Import and re-export specifiers of a module, static and dynamic, that are paths of the project. */
const RELATIVE_IMPORT = /\b(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g;

/** The files of the project that `entry` is made of: itself and what it imports by relative paths, sorted. */
export function sourcesOf(entry: string): readonly string[] {
  const found = new Set<string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file) || !existsSync(file)) continue;
    found.add(file);
    for (const [, specifier = ""] of readFileSync(file, "utf8").matchAll(RELATIVE_IMPORT)) {
      open.push(join(dirname(file), specifier));
    }
  }
  return [...found].sort();
}

/** A digest of the contents of `files` (named relative to `root`) and of `more`; equal when and only when all of them are. */
export function contentHash(root: string, files: readonly string[], more: readonly string[] = []): string {
  const hash = createHash("sha256");
  const part = (bytes: Buffer | string): void => {
    hash.update(`${bytes.length}:`).update(bytes);
  };
  for (const file of files) {
    part(relative(root, file));
    part(readFileSync(file));
  }
  for (const text of more) part(text);
  return hash.digest("hex");
}
