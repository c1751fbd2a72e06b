// SPDX-License-Identifier: Apache-2.0

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { execa } from "execa";
import { count, findTerms, lowered, type TermCounts, type Terms, tooMany } from "./words.ts";

const ROOT = join(import.meta.dirname, "../..");
const TERMS = join(import.meta.dirname, "terms.json");
const ALLOWED = join(import.meta.dirname, "allowed.json");
/** Where the terms themselves are said, and what is not ours to say. */
const PASSED_OVER = [
  ":!hack/lint-words",
  ":!docs/design/terms.md",
  ":!package-lock.json",
  ":!*.svg",
  ":!hack/generate/kube-ovn-fields.txt",
];

async function main({ write, begin }: { readonly write?: boolean; readonly begin?: string }): Promise<void> {
  const terms = JSON.parse(readFileSync(TERMS, "utf8")) as Terms;
  const allowed: Record<string, TermCounts[string]> = JSON.parse(readFileSync(ALLOWED, "utf8"));
  const list = [
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
    "--deduplicate",
    "--",
    ".",
    ...PASSED_OVER,
  ];
  const { stdout } = await execa("git", list, { cwd: ROOT });
  const found = stdout.split("\0").flatMap((file) => findTerms(file, textOf(file), terms));
  if (begin !== undefined) {
    const its = count(found.filter(({ term }) => term === begin));
    for (const [folder, counts] of Object.entries(its)) allowed[folder] = { ...counts, ...allowed[folder] };
  }
  const kept = write === true || begin !== undefined ? lowered(found, allowed) : allowed;
  if (kept !== allowed) writeFileSync(ALLOWED, `${JSON.stringify(kept, undefined, 2)}\n`);
  const faults = tooMany(found, kept);
  for (const { file, line, term } of faults) {
    console.log(
      `${file}${line === 0 ? "" : `:${line}`}: "${term}" is not one of the project's terms; use: ${terms[term]}`,
    );
  }
  const sum = (counts: TermCounts): number =>
    Object.values(counts)
      .flatMap((terms) => Object.values(terms))
      .reduce((a, b) => a + b, 0);
  if (faults.length > 0) {
    console.log(
      "A folder may have no more of a term than hack/lint-words/allowed.json says (docs/design/terms.md has the terms; after a move: --write).",
    );
    process.exitCode = 1;
  } else if (sum(count(found)) < sum(kept)) {
    console.log(
      `Terms: ${sum(count(found))} to be replaced, ${sum(kept)} are allowed; lower that: node hack/lint-words/main.ts --write`,
    );
  }
}

/** A file's text; none for what is deleted in the checkout, and for links. */
function textOf(file: string): string {
  try {
    return readFileSync(join(ROOT, file), "utf8");
  } catch {
    return "";
  }
}

await new Command("lint-words")
  .description(
    "Fails where a folder has more of a term that the project does not use (terms.json) than it had (allowed.json).",
  )
  .option("--write", "lower what is allowed to what there is; nothing is raised")
  .option("--begin <term>", "allow what there is of a term that has just been added to terms.json")
  .action(main)
  .parseAsync();
