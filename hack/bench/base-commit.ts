// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExecaError, execa } from "execa";

/** The commit that is used while there is no release, one line; maintainers change it. */
const NAMED = "hack/bench/base.txt";

/**
 * The commit that a bench compares with: `name` (anything that git knows), or without one where this branch left the newest release (a tag `v*`), or
 * else the commit in `hack/bench/base.txt` of the checkout `root`. Rejects where git does not know it (a shallow clone).
 */
export async function baseCommit(root: string, name: string | undefined): Promise<string> {
  const wanted = name ?? (await newestRelease(root)) ?? (await readFile(join(root, NAMED), "utf8")).trim();
  try {
    return await git(root, "rev-parse", "--verify", "--end-of-options", `${wanted}^{commit}`);
  } catch (cause) {
    throw new Error(`"${wanted}" is not a commit of this checkout (in a shallow clone, run git fetch --unshallow)`, {
      cause,
    });
  }
}

/** The merge base with the newest release that this branch contains, or undefined if there is none. */
async function newestRelease(root: string): Promise<string | undefined> {
  try {
    const tag = await git(root, "describe", "--tags", "--abbrev=0", "--match=v*", "HEAD");
    return await git(root, "merge-base", "HEAD", tag);
  } catch (error) {
    // git describe ends with 128 if no tag can be reached.
    if (error instanceof ExecaError && error.exitCode === 128) return undefined;
    throw error;
  }
}

/**
 * Runs `action` with the path of a worktree of `commit` beside the checkout `root`, and removes it afterwards. It has a copy of the checkout's npm packages:
 * its own scripts install only those that differ, because downloading all of them again can take twenty minutes.
 */
export async function withWorktree<T>(root: string, commit: string, action: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "weft-base-"));
  const path = join(folder, "checkout");
  await git(root, "worktree", "add", "--quiet", "--detach", path, commit);
  try {
    const packages = join(root, "node_modules");
    // Not by hard links: npm and tap write some files in place.
    if (existsSync(packages)) await execa("cp", ["-a", "--reflink=auto", packages, path]);
    return await action(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await git(root, "worktree", "prune");
  }
}

async function git(root: string, ...args: readonly string[]): Promise<string> {
  return (await execa("git", args, { cwd: root })).stdout.trim();
}
