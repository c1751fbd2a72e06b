// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { run } from "../host/run.ts";

const ROOT = join(import.meta.dirname, "../..");
const FILE = "package-lock.json";

/** Fields of package.json that npm repeats in the lock's entry of the project. */
const REPEATED = ["name", "version", "license", "engines", "dependencies", "devDependencies"] as const;

type Fields = Readonly<Partial<Record<(typeof REPEATED)[number], unknown>>>;

/** Has npm bring package-lock.json up to date with package.json. With `check` nothing is written. Resolves to the files that were stale. */
export async function generateLock(options: { readonly check: boolean }): Promise<readonly string[]> {
  const project = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as Fields;
  const lock = JSON.parse(await readFile(join(ROOT, FILE), "utf8")) as {
    readonly packages: Readonly<Record<string, Fields>>;
  };
  if (staleFields(project, lock.packages[""] ?? {}).length === 0) return [];
  if (!options.check) {
    await run("npm", ["install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: ROOT });
  }
  return [FILE];
}

/** The fields in which a lock's entry of the project differs from its package.json. Pure. */
export function staleFields(project: Fields, locked: Fields): readonly string[] {
  return REPEATED.filter((field) => !isDeepStrictEqual(project[field], locked[field]));
}
