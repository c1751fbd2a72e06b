// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { removeCgroups } from "./cgroup.ts";
import { LabError } from "./error.ts";
import { removeHostLink } from "./links.ts";
import type { LabPaths } from "./paths.ts";
import { killAll, LAB_MARK } from "./process.ts";

/**
 * Stops the lab: every process, then their remains (namespaces, mounts and links are removed with their last
 * process), cgroups and files. It searches for existing objects instead of expected ones, so that it works after any
 * crash.
 */
export async function down(paths: LabPaths, progress: Progress): Promise<void> {
  if (process.getuid?.() !== 0) throw new LabError("not-root", "the lab's files belong to root: run this with sudo");
  const wait = (): void => progress.note("another lab command of this checkout is running; waiting for it");
  const removeAll = async (): Promise<void> => {
    await progress.step("processes", () => killAll({ mark: `${LAB_MARK}=${paths.id}`, cgroup: paths.cgroup }));
    await removeHostLink(paths);
    await progress.step("cgroups", () => removeCgroups(paths));
    await unmountAll(paths);
    await progress.step("files", () => removeFiles(paths));
  };
  await withFileLock(paths.lock, removeAll, wait);
}

/** Mounts of a lab are in its own namespaces; a leaked one would let the removal of files reach beyond it. */
async function unmountAll(paths: LabPaths): Promise<void> {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${paths.state}/`));
  for (const point of points.reverse()) await run("umount", ["--lazy", point], { allowFailure: true });
}

async function removeFiles(paths: LabPaths): Promise<void> {
  const names = await readdir(paths.state);
  await Promise.all(
    names
      .filter((name) => join(paths.state, name) !== paths.lock)
      .map((name) => rm(join(paths.state, name), { recursive: true, force: true })),
  );
}
