// SPDX-License-Identifier: Apache-2.0

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import t from "tap";
import { baseCommit, withWorktree } from "./base-commit.ts";

const root = t.testdir();
const git = async (...args: readonly string[]): Promise<string> => {
  const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"];
  return (await execa("git", [...identity, ...args], { cwd: root })).stdout.trim();
};
async function commit(text: string): Promise<string> {
  writeFileSync(join(root, "file"), text);
  await git("add", "file");
  await git("commit", "--quiet", "--message", text);
  return await git("rev-parse", "HEAD");
}

t.test("what a bench compares with", async (t) => {
  await git("init", "--quiet");
  const first = await commit("first");
  const second = await commit("second");
  mkdirSync(join(root, "hack/bench"), { recursive: true });
  writeFileSync(join(root, "hack/bench/base.txt"), `${first}\n`);

  t.equal(await baseCommit(root, undefined), first, "without a release, the commit of the file");
  await git("tag", "v0.1.0", second);
  await commit("third");
  t.equal(await baseCommit(root, undefined), second, "with one, where the branch left it");
  t.equal(await baseCommit(root, "v0.1.0~1"), first, "or what is asked for, in any form that git knows");
  await t.rejects(baseCommit(root, "nowhere"), { message: /"nowhere" is not a commit/ });
  await t.rejects(baseCommit(root, "--all"), { message: /"--all" is not a commit/ });

  mkdirSync(join(root, "node_modules"));
  writeFileSync(join(root, "node_modules/package"), "installed");
  const path = await withWorktree(root, first, async (path) => {
    t.equal(readFileSync(join(path, "file"), "utf8"), "first");
    writeFileSync(join(path, "node_modules/package"), "of another version");
    t.equal(readFileSync(join(root, "node_modules/package"), "utf8"), "installed", "its npm packages are a copy");
    return path;
  });
  t.notOk(existsSync(path), "the worktree is gone afterwards");
  t.notMatch(await git("worktree", "list"), path);
  await t.rejects(
    withWorktree(root, first, () => Promise.reject(new Error("bench failed"))),
    { message: "bench failed" },
  );
  t.equal((await git("worktree", "list")).split("\n").length, 1, "also when the bench fails");
});
