// SPDX-License-Identifier: Apache-2.0

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";

const ROOT = join(import.meta.dirname, "../..");
const TEXT = readFileSync(join(import.meta.dirname, "promises.txt"), "utf8");
/** Each planted fault: "line rule". */
const PLANTED = TEXT.split("\n").flatMap((line, i) => {
  const rule = /\/\/ FAULT (\S+)$/.exec(line)?.[1];
  return rule === undefined ? [] : [`${i + 1} ${rule}`];
});
const BIOME_RULES: Readonly<Record<string, string>> = {
  noFloatingPromises: "no-floating-promises",
  noMisusedPromises: "no-misused-promises",
  useAwaitThenable: "await-thenable",
};

const folder = t.testdir();
const file = join(folder, "promises.ts");
writeFileSync(file, TEXT);
writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({ extends: join(ROOT, "tsconfig.json"), include: ["*.ts"] }),
);
t.setTimeout(240_000);

t.test("oxlint finds each planted fault with promises, and no other", async (t) => {
  const args = ["--type-aware", "--no-ignore", "--config", join(ROOT, ".oxlintrc.json"), "--format=unix", file];
  const { stdout } = await execa("oxlint", args, { cwd: folder, preferLocal: true, localDir: ROOT, reject: false });
  const found = [...stdout.matchAll(/^\S+?:(\d+):\d+: .*\(([\w-]+)\)\]$/gm)].map(([, line, rule]) => `${line} ${rule}`);
  const rules = new Set(Object.values(BIOME_RULES));
  t.same(found.filter((fault) => rules.has(fault.split(" ")[1] ?? "")).sort(), [...PLANTED].sort());
});

t.test("Biome misses some of them, which is why both linters run (if this fails: drop oxlint)", async (t) => {
  const nursery = Object.fromEntries(Object.keys(BIOME_RULES).map((rule) => [rule, "error"]));
  writeFileSync(
    join(folder, "biome.json"),
    JSON.stringify({ root: true, linter: { rules: { preset: "none", nursery } } }),
  );
  const args = ["lint", "--reporter=github", "--max-diagnostics=none", file];
  const { stdout } = await execa("biome", args, { cwd: folder, preferLocal: true, localDir: ROOT, reject: false });
  const found = [...stdout.matchAll(/title=lint\/nursery\/(\w+),.*?,line=(\d+),/g)].map(
    ([, rule, line]) => `${line} ${BIOME_RULES[rule ?? ""]}`,
  );
  t.ok(found.includes(PLANTED[0] ?? ""), "it does find what is easiest");
  t.not(PLANTED.filter((fault) => !found.includes(fault)).length, 0);
});
