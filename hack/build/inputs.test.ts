// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { contentHash, sourcesOf } from "./inputs.ts";

const root = mkdtempSync(join(tmpdir(), "weft-inputs-"));
t.teardown(() => rmSync(root, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(root, name), text);
  return join(root, name);
};

await t.test("the sources of an entry are what it imports, directly or not", async (t) => {
  const main = file(
    "main.ts",
    'import { a } from "./a.ts";\nimport "./side.ts";\nconst lazy = () => import("./lazy.ts");\n',
  );
  file("a.ts", 'import type { B } from "./b.ts";\nexport * from "./c.ts";\nimport { readFileSync } from "node:fs";\n');
  for (const name of ["b.ts", "c.ts", "side.ts", "lazy.ts", "other.ts"]) file(name, 'import "./main.ts";\n');
  const names = sourcesOf(main).map((path) => path.slice(root.length + 1));
  t.strictSame(names, ["a.ts", "b.ts", "c.ts", "lazy.ts", "main.ts", "side.ts"]);
});

await t.test("the hash changes with a file's content and with each further input, and with nothing else", async (t) => {
  const one = file("one.ts", "1");
  const two = file("two.ts", "2");
  const hash = contentHash(root, [one, two], ["tool 1.0"]);
  t.equal(contentHash(root, [one, two], ["tool 1.0"]), hash);
  t.not(contentHash(root, [one, two], ["tool 1.1"]), hash);
  file("two.ts", "3");
  t.not(contentHash(root, [one, two], ["tool 1.0"]), hash);
});
