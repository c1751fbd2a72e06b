// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureGo, showGoOutput } from "../host/go.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";

/** A Go module of other software at a pinned version. */
export interface GoModule {
  /** Name of the software, for messages. */
  readonly title: string;
  /** Import path of the module. */
  readonly path: string;
  /** As `v4.2.3`. */
  readonly version: string;
}

/**
 * Builds commands of a module, `packages` below its path, as static programs: one to the file `out`, or several into the folder `out`, which then ends with a slash.
 * They are built in a module that requires it, because `go install` asks for the list of versions, which a proxy need not have. Rejects with HostError; `advice`
 * says what to do where there is no Go.
 */
export async function buildCommands(
  { title, path, version }: GoModule,
  packages: readonly string[],
  out: string,
  advice: string,
  progress: Progress,
): Promise<void> {
  const go = await ensureGo(title, advice, progress);
  const folder = await mkdtemp(join(tmpdir(), "weft-go-"));
  try {
    await writeFile(join(folder, "go.mod"), `module weft.local/build\n\ngo 1.24\n\nrequire ${path} ${version}\n`);
    const args = ["-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", out, ...packages.map((one) => `${path}/${one}`)];
    await progress.step(`building ${packages.join(" and ")} of ${title} with Go (once for all checkouts)`, (step) =>
      run(go, ["build", "-v", ...args], { cwd: folder, env: { CGO_ENABLED: "0" }, onLine: showGoOutput(step) }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The folder with the source of a module. Rejects as {@link buildCommands}. */
export async function moduleSource(
  { title, path, version }: GoModule,
  advice: string,
  progress: Progress,
): Promise<string> {
  const go = await ensureGo(title, advice, progress);
  const { stdout } = await run(go, ["mod", "download", "-json", `${path}@${version}`], { cwd: tmpdir() });
  const { Dir: folder } = JSON.parse(stdout) as { readonly Dir: string };
  return folder;
}
