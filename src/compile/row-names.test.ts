// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";

/** What is given as a name, or compared with one, is a text that is put together on the spot. */
const PUT_TOGETHER = /\bname(?:: | = )(?!string\b).*(?:`[^`]*\$\{|" \+ |\+ ")/;
/** Says which objects would have which names; no row has what it puts together. */
const CLAIMS = "compile/name-collisions.ts";
/** Texts for people. */
const SAYS = /\b(?:message|text|reason|who|throw|throws)\b/;

t.test("no name of a row is put together but in src/api, from typed parts", async (t) => {
  const root = join(import.meta.dirname, "..");
  const files = ["compile", "kinds"].flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }));
  const sources = files.filter((file) => !/\.test\.ts$|\/testing\//.test(file) && file !== CLAIMS);
  t.ok(sources.length > 40);
  const found = sources.flatMap((file) =>
    readFileSync(join(root, file), "utf8")
      .split("\n")
      .flatMap((line, i) => (PUT_TOGETHER.test(line) && !SAYS.test(line) ? `${file}:${i + 1}: ${line.trim()}` : [])),
  );
  t.same(found, []);
});
