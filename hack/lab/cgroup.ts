// SPDX-License-Identifier: Apache-2.0

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { LabPaths } from "./paths.ts";
import { until } from "./wait.ts";

/** A mounted cgroup hierarchy. */
export interface CgroupHierarchy {
  /** The mount point. */
  readonly path: string;
  readonly version: 1 | 2;
  /** Of version 1: what it controls, as `freezer` (empty for version 2, whose cgroups say it themselves). */
  readonly controllers: readonly string[];
}

/** All cgroup hierarchies: many of version 1, one of version 2, or both (cgroups(7)). */
export function cgroupHierarchies(): readonly CgroupHierarchy[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const path = before.split(" ")[4];
      const [type, , options = ""] = after.split(" ");
      if (path === undefined || (type !== "cgroup" && type !== "cgroup2")) return [];
      const version = type === "cgroup" ? 1 : 2;
      return [{ path, version, controllers: version === 1 ? options.split(",") : [] }];
    });
}

/**
 * Creates the cgroup that is the root of a node's pods, in every hierarchy. Its CPU share is that of kubelet's pods
 * on a machine of its own, and the lab's is that of all its `nodes`. With the kernel's default, the pods of all nodes
 * together (including Open vSwitch, which is the data path) have the share of one process, and a busy machine loses
 * packets without a fault of Weft.
 */
export async function ensureNodeCgroups(paths: LabPaths, node: string, nodes: number): Promise<void> {
  for (const { path, version } of cgroupHierarchies()) {
    const chain = [path, join(path, paths.cgroup), join(path, paths.cgroup, node)];
    for (const [index, folder] of chain.entries()) {
      const parent = chain[index - 1];
      if (parent === undefined) continue;
      if (version === 2) await delegate(parent);
      await mkdir(folder, { recursive: true });
      // A cpuset of version 1 is empty initially, and then accepts no process.
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        if (version === 1 && existsSync(join(folder, file)))
          await writeFile(join(folder, file), await readFile(join(parent, file)));
      }
      await setShare(folder, availableParallelism() * (index === 1 ? nodes : 1));
    }
  }
}

/** So many times the share that a cgroup, or a process beside it, has by default (sched-design-CFS.rst and cgroup-v2.rst): kubelet's, of that many processors. */
async function setShare(folder: string, processors: number): Promise<void> {
  for (const [file, one, most] of [
    ["cpu.shares", 1_024, 262_144],
    ["cpu.weight", 100, 10_000],
  ] as const) {
    if (existsSync(join(folder, file))) await writeFile(join(folder, file), String(Math.min(most, one * processors)));
  }
}

/** Delegates all controllers of a version-2 cgroup to its children; kubelet reports refusals of the kernel better. */
async function delegate(folder: string): Promise<void> {
  const controllers = (await readFile(join(folder, "cgroup.controllers"), "utf8"))
    .split(/\s+/)
    .filter((name) => name !== "");
  for (const name of controllers)
    await writeFile(join(folder, "cgroup.subtree_control"), `+${name}`).catch(() => undefined);
}

/** The cgroups of the lab, or of one of its nodes, that exist: one for each hierarchy. */
export function labCgroups(paths: LabPaths, node = ""): readonly string[] {
  return cgroupHierarchies()
    .map(({ path }) => join(path, paths.cgroup, node))
    .filter((folder) => existsSync(folder));
}

/** Removes the cgroups of the lab, or of one of its nodes, once their processes are dead. */
export async function removeCgroups(paths: LabPaths, node?: string): Promise<void> {
  for (const folder of labCgroups(paths, node)) {
    // A cgroup is busy for a moment after its last process has ended.
    await until(`cgroup ${folder} is empty`, 10_000, () => removeTree(folder));
  }
}

async function removeTree(folder: string): Promise<boolean> {
  let entries: readonly string[];
  try {
    entries = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return true;
  }
  for (const name of entries) await removeTree(join(folder, name));
  return await rmdir(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );
}
