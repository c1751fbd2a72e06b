// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";

const ROOT = join(import.meta.dirname, "..");

/** Written by programs from schemas that call tables and fields alike. */
const GENERATED = /(?:^|\/)generated\//;

/** What may be exported under one name only, in `src`, `hack` and `test` together. */
const KINDS_OF_NAMES = [
  {
    what: "a type",
    declaration: /^export (?:declare )?(?:abstract )?(?:interface|type|class|enum) (\w+)/gm,
    left: /\.test\.ts$/,
  },
  {
    what: "a function or constant",
    declaration: /^export (?:const|(?:async )?function\*?) (\w+)/gm,
    // A test helper may have the name of what it replaces.
    left: /\.test\.ts$|\/testing\//,
  },
];

for (const { what, declaration, left } of KINDS_OF_NAMES) {
  t.test(`no exported name of ${what} is declared in two files`, async (t) => {
    const files = globSync("{src,hack,test}/**/*.{ts,tsx}", { cwd: ROOT }).filter(
      (file) => !left.test(file) && !GENERATED.test(file),
    );
    const declared = new Map<string, string[]>();
    for (const file of files.sort()) {
      for (const [, name = ""] of readFileSync(join(ROOT, file), "utf8").matchAll(declaration))
        declared.set(name, [...(declared.get(name) ?? []), file]);
    }
    t.ok(declared.size > 600, "declarations are found");
    const twice = [...declared].filter(([, files]) => files.length > 1);
    t.strictSame(
      twice.map(([name, files]) => `${name}: ${files.join(", ")}`),
      [],
    );
  });
}
