// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "../host/run.ts";

const ROOT = join(import.meta.dirname, "../..");

/** The line of https://spdx.dev/learn/handling-license-info that says under what licence a file is. */
const LINE = "SPDX-License-Identifier: Apache-2.0";

/** The same at the top of a generated module. */
export const SPDX_HEADER: string = `// ${LINE}\n\n`;

/** Lines that have to be a file's first: the kernel's and Docker's. */
const FIRST = /^(#!|# syntax=)/;

/**
 * Puts the licence's line into each source file that lacks it. With `check` nothing is written. Resolves to the files that lacked it. A file that is generated gets it from
 * its generator.
 */
export async function generateSpdx(options: { readonly check: boolean }): Promise<readonly string[]> {
  const { stdout } = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  const stale: string[] = [];
  for (const file of stdout.split("\n").filter((name) => name !== "")) {
    // What is deleted in the checkout, and links to folders, have no text.
    const text = await readFile(join(ROOT, file), "utf8").catch(() => undefined);
    const marked = text === undefined ? undefined : withLicence(file, text);
    if (marked === undefined || marked === text) continue;
    stale.push(file);
    if (!options.check) await writeFile(join(ROOT, file), marked);
  }
  return stale;
}

/** The text of a source file with the licence's line at its top; as it was where it has the line, and undefined for what is no source. Pure. */
export function withLicence(file: string, text: string): string | undefined {
  const comment = commentFor(file, text);
  if (comment === undefined) return undefined;
  if (text.split("\n", 3).some((line) => line.includes(LINE))) return text;
  const at = FIRST.test(text) ? text.indexOf("\n") + 1 : 0;
  return `${text.slice(0, at)}${comment}${text.slice(at)}`;
}

function commentFor(file: string, text: string): string | undefined {
  // A blank line sets it apart from the first import's own comment.
  if (/\.[cm]?[jt]s$/.test(file)) return SPDX_HEADER;
  // Helm shows a comment of YAML in each release; one of its own it drops.
  if (/^charts\/[^/]+\/templates\//.test(file)) {
    return /\.(yaml|tpl)$/.test(file) ? `{{- /* ${LINE} */ -}}\n` : undefined;
  }
  const hash = /\.(ya?ml|sh)$/.test(file) || basename(file) === "Dockerfile" || text.startsWith("#!");
  return hash ? `# ${LINE}\n` : undefined;
}
