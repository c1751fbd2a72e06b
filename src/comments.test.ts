// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import t from "tap";

const ROOT = join(import.meta.dirname, "..");
const COMMENT = /\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/.*/g;
/** `folder/file.ts`, `CONSTANT_CASE`, and what `{@link}` names. */
const FILE = /`([\w./-]+\.tsx?)`/g;
const NAME = /`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)s?`|\{@link (\w+)/g;

/** What the comments of a text name, of which nothing has that name. */
function stale(text: string, isFile: (name: string) => boolean, isName: (name: string) => boolean): readonly string[] {
  return [...text.matchAll(COMMENT)].flatMap(([comment]) => [
    ...[...comment.matchAll(FILE)].map(([, name = ""]) => name).filter((name) => !isFile(name)),
    ...[...comment.matchAll(NAME)].map(([, name, link]) => name ?? link ?? "").filter((name) => !isName(name)),
  ]);
}

t.test("comments name files and constants that exist", async (t) => {
  const found = stale(
    "// see `a.ts`, `b.ts`\n/** `A_B`, `C_D`, {@link e}, {@link f} */",
    (n) => n === "a.ts",
    (n) => /^[Ae]/.test(n),
  );
  t.strictSame(found, ["b.ts", "C_D", "f"], "what is stale is found");
  const files = globSync("{src,hack,test}/**/*.{ts,tsx}", { cwd: ROOT }).filter(
    (file) => file !== "src/comments.test.ts",
  );
  const texts = files.map((file) => [file, readFileSync(join(ROOT, file), "utf8")] as const);
  const words = new Set(texts.flatMap(([, text]) => text.replaceAll(COMMENT, "").match(/\w+/g) ?? []));
  const names = new Set(files.map((file) => basename(file)));
  const isFile = (name: string): boolean =>
    name.includes("/") ? files.some((file) => file.endsWith(name)) : names.has(name);
  t.strictSame(
    texts.flatMap(([file, text]) => stale(text, isFile, (name) => words.has(name)).map((name) => `${file}: ${name}`)),
    [],
  );
});
