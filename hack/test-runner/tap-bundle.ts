// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";

const ROOT = join(import.meta.dirname, "../..");

let bundle: Promise<string> | undefined;

/**
 * Makes tap one file, if that is not done yet for these packages, and returns the argument with which Node takes it where a test file imports `tap`.
 * tap and what it imports are 300 modules; to find and load them takes longer than most test files.
 */
export function bundledTap(): Promise<string> {
  bundle ??= makeBundle();
  return bundle;
}

async function makeBundle(): Promise<string> {
  const packages = createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
  const file = join(ROOT, "node_modules/.cache", `tap-${packages.slice(0, 16)}.mjs`);
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true });
    // Another run may make it at the same time.
    const made = `${file}.${process.pid}`;
    const entry = join(ROOT, "node_modules/tap/dist/esm/index.js");
    await execa("bun", ["build", entry, "--target=node", "--format=esm", `--outfile=${made}`], { preferLocal: true });
    renameSync(made, file);
  }
  const hook = `import { registerHooks } from "node:module";
const bundle = { url: ${JSON.stringify(pathToFileURL(file).href)}, format: "module", shortCircuit: true };
registerHooks({ resolve: (name, context, next) => (name === "tap" ? bundle : next(name, context)) });`;
  return `--import=data:text/javascript,${encodeURIComponent(hook)}`;
}
