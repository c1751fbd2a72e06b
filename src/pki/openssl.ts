// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PkiError } from "./error.ts";

/** A hanging program must not block a renewal; in ms. It usually takes about 10. */
const DEADLINE_MS = 20_000;
/** Longer output is truncated. */
const OUTPUT_BYTES = 256 * 1024;

/**
 * Runs `openssl` in a new folder below `folder` that contains only `files` (name → text, readable by this user only),
 * and is removed afterwards. Resolves with its output. Rejects PkiError `unavailable` or `refused`.
 */
export async function openssl(
  folder: string,
  files: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<string> {
  const scratch = await mkdtemp(join(folder, ".openssl-")).catch((cause: unknown) => {
    throw new PkiError("unavailable", `cannot create a folder in ${folder}`, { cause });
  });
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(scratch, name), text, { mode: 0o600 });
    return await output(scratch, args);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function output(cwd: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("openssl", args, { cwd, stdio: ["ignore", "pipe", "pipe"], timeout: DEADLINE_MS });
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    child.on("error", (cause) => reject(new PkiError("unavailable", "cannot run openssl", { cause })));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(stdout());
      else reject(new PkiError("refused", `openssl ${args[0]} ended with ${signal ?? code}: ${lastLines(stderr())}`));
    });
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    if (text.length < OUTPUT_BYTES) text += chunk;
  });
  return () => text;
}

/** The last lines have the reason; the earlier ones repeat the request. */
function lastLines(text: string): string {
  return text.trim().split("\n").slice(-3).join("; ").slice(0, 500);
}
