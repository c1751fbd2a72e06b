// SPDX-License-Identifier: Apache-2.0

import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import t from "tap";

const ROOT = join(import.meta.dirname, "../..");
const PAGES = globSync("docs/design/*.md", { cwd: ROOT }).sort();
const DESIGN = readFileSync(join(ROOT, "DESIGN.md"), "utf8");
/** All files of the project that a page may name, by their last part. */
const NAMES = new Set(
  globSync("{src,hack,test,crds,charts,findings,docs}/**/*", { cwd: ROOT }).map((file) => basename(file)),
);

/** The patterns of a page's line `Applies to:`. */
function patternsOf(text: string): readonly string[] {
  const line = /^Applies to: (.*)$/m.exec(text)?.[1] ?? "";
  return [...line.matchAll(/`([^`]+)`/g)].map(([, pattern = ""]) => pattern);
}

t.test("every page is in DESIGN.md's table, says what it applies to, and asks its review questions", async (t) => {
  for (const page of PAGES) {
    const text = readFileSync(join(ROOT, page), "utf8");
    t.match(DESIGN, `(${page})`, `${page} is in the table`);
    t.match(text, /^Applies to: /m, `${page} says which paths it applies to`);
    const [, questions = ""] = text.split("\n## Review questions\n");
    t.match(questions, /^- .*\?/m, `${page} asks review questions`);
    for (const pattern of patternsOf(text)) {
      t.not(globSync(pattern, { cwd: ROOT }).length, 0, `${page}: ${pattern} matches a file`);
    }
  }
});

/** Pages about text and names everywhere: a path that only they apply to has no topic. */
const GENERAL = new Set(["docs/design/terms.md", "docs/design/where.md"]);

/** About tests of all folders. */
const EVERYWHERE = new Set(["src/**/*.test.ts"]);
/** What checks text and names. */
const TEXT_ONLY = new Set(["hack/design", "hack/lint-rules", "hack/lint-words"]);

t.test("a page of a topic applies to every folder", async (t) => {
  const patterns = PAGES.filter((page) => !GENERAL.has(page)).flatMap((page) =>
    patternsOf(readFileSync(join(ROOT, page), "utf8")),
  );
  const covered = new Set(
    patterns
      .filter((pattern) => !EVERYWHERE.has(pattern))
      .flatMap((pattern) => globSync(pattern, { cwd: ROOT }).map((file) => dirname(file))),
  );
  const folders = new Set(
    globSync("{src,hack,test,charts,crds,findings,.github}/**/*.*", { cwd: ROOT, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(ROOT, entry.parentPath)),
  );
  t.ok(folders.size > 100, "folders are found");
  for (const folder of [...folders].sort()) {
    if (folder === "hack" || TEXT_ONLY.has(folder)) continue;
    t.ok(covered.has(folder), `a page of docs/design applies to files of ${folder}`);
  }
});

t.test("the files that DESIGN.md and the pages name exist, and declare what is said to be in them", async (t) => {
  for (const page of ["DESIGN.md", ...PAGES]) {
    const text = readFileSync(join(ROOT, page), "utf8").replace(/^Applies to: .*$/m, "");
    for (const [, name = ""] of text.matchAll(/`([\w./-]+\.(?:ts|sh|md|json|yaml|txt))`/g)) {
      const there = name.includes("/") ? existsSync(join(ROOT, name)) : NAMES.has(name) || existsSync(join(ROOT, name));
      t.ok(there, `${page} names ${name}`);
    }
    for (const [, names = "", file = ""] of text.matchAll(/((?:`\w+`, )*`\w+`) in `((?:src|hack)\/[\w./-]+)`/g)) {
      const source = existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), "utf8") : "";
      for (const [, name = ""] of names.matchAll(/`(\w+)`/g)) {
        t.match(
          source,
          new RegExp(`\\b(?:function\\*?|class|const|interface|type) ${name}\\b|^${name}\\(\\)`, "m"),
          `${page}: ${name} is declared in ${file}`,
        );
      }
    }
    for (const [, link = ""] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      t.ok(existsSync(join(ROOT, page, "..", link)), `${page} links to ${link}`);
    }
  }
});
