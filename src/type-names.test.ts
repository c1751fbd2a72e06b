// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";

const DECLARATION = /^export (?:declare )?(?:abstract )?(?:interface|type|class|enum) (\w+)/gm;
/** Written by programs from schemas that call tables and fields alike. */
const GENERATED = /(?:^|\/)generated\//;

/** Names that still stand for two things, to be renamed; a name that does not any more fails as well. */
const KNOWN = [
  "Change",
  "Contended",
  "Contention",
  "Failure",
  "MemoryDatabase",
  "Mutation",
  "Outcome",
  "Selection",
  "Verb",
];

t.test("no exported name of a type is declared in two files", async (t) => {
  const files = globSync("**/*.ts", { cwd: import.meta.dirname }).filter(
    (file) => !/\.test\.ts$/.test(file) && !GENERATED.test(file),
  );
  const declared = new Map<string, string[]>();
  for (const file of files.sort()) {
    for (const [, name = ""] of readFileSync(join(import.meta.dirname, file), "utf8").matchAll(DECLARATION))
      declared.set(name, [...(declared.get(name) ?? []), file]);
  }
  t.ok(declared.size > 300, "declarations are found");
  const twice = [...declared].filter(([, files]) => files.length > 1);
  t.strictSame(
    twice.filter(([name]) => !KNOWN.includes(name)).map(([name, files]) => `${name}: ${files.join(", ")}`),
    [],
  );
  const names = twice.map(([name]) => name);
  t.strictSame(
    KNOWN.filter((name) => !names.includes(name)),
    [],
    "what is listed is still so",
  );
});
