// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";

/** A name, or a value compared with one, that is composed in place. */
const PUT_TOGETHER = /\bname(?:: | = )(?!string\b).*(?:`[^`]*\$\{|" \+ |\+ ")/;
/** Lists which objects would have which names; no row has the composed text. */
const CLAIMS = "compile/name-collisions.ts";
/** Texts for users. */
const SAYS = /\b(?:message|text|reason|who|throw|throws)\b/;

t.test("names of rows are composed only in src/api, from typed parts", async (t) => {
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
