// SPDX-License-Identifier: Apache-2.0

import { copyFile, mkdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "../host/run.ts";

/**
 * Copies a program of this machine into a root file system, with the shared libraries and the loader it needs, each at its own
 * path. The program itself goes to `target` (its own path by default).
 */
export async function copyProgram(program: string, root: string, target: string = program): Promise<void> {
  await copyTo(program, join(root, target));
  // ldd fails on a static program, which needs nothing.
  const { code, stdout } = await run("ldd", [program], { allowFailure: true });
  if (code !== 0) return;
  // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)" or, for the loader, "/lib64/ld-linux-x86-64.so.2 (0x…)".
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
  for (const library of libraries) await copyTo(library, join(root, library));
}

async function copyTo(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(await realpath(from), to);
}
