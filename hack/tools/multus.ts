// SPDX-License-Identifier: Apache-2.0

import { access, constants, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { architecture, cacheFolder } from "../host/cache.ts";
import { ensureGo, showGoOutput } from "../host/go.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";

const VERSION = "v4.2.3";
const MODULE = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4";

/** A program of Multus: the plugin that needs no daemon ("thin"), and the daemon with the plugin that asks it ("thick"). */
export type MultusProgram = "multus" | "multus-daemon" | "multus-shim";

/**
 * Path of a program of Multus, which the tests of several networks install; built with Go where the cache folder lacks it. `WEFT_MULTUS` names a
 * `multus` of one's own instead. Rejects with HostError.
 */
export async function ensureMultus(progress: Progress, program: MultusProgram = "multus"): Promise<string> {
  const given = process.env["WEFT_MULTUS"];
  if (given !== undefined && program === "multus") return given;
  const target = join(cacheFolder(), `${program}-${VERSION}-${architecture()}`);
  const wait = (): void => progress.note("another checkout is building Multus; waiting for it");
  await withFileLock(
    `${target}.lock`,
    async () => {
      if (!(await isThere(target))) await build(program, target, progress);
    },
    wait,
  );
  return target;
}

async function isThere(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** As a module that requires it: `go install` asks for the list of versions, which a proxy need not have. */
async function build(program: MultusProgram, target: string, progress: Progress): Promise<void> {
  const go = await ensureGo("Multus", "set WEFT_MULTUS to its plugin", progress);
  progress.note(`building ${program} with Go: about 2 minutes on two cores, once for all checkouts`);
  const folder = await mkdtemp(join(tmpdir(), "weft-multus-"));
  const part = `${target}.${process.pid}.part`;
  try {
    await writeFile(join(folder, "go.mod"), `module weft.local/multus\n\ngo 1.24\n\nrequire ${MODULE} ${VERSION}\n`);
    const args = ["-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", part, `${MODULE}/cmd/${program}`];
    await progress.step(`building ${program}`, (step) =>
      run(go, ["build", "-v", ...args], {
        cwd: folder,
        env: { CGO_ENABLED: "0" },
        onLine: showGoOutput(step),
      }),
    );
    await rename(part, target);
  } finally {
    await rm(part, { force: true });
    await rm(folder, { recursive: true, force: true });
  }
}
