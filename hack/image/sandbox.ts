// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Progress } from "../host/progress.ts";
import { type RunResult, run } from "../host/run.ts";
import { ensureRootfs } from "./base.ts";

/**
 * Mounts the root of the sandbox over the cached one, which stays unchanged, and runs the script on standard input in
 * it.
 */
const ENTER = `
set -e
mount -t tmpfs sandbox "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
mount -t overlay overlay -o "lowerdir=$ROOTFS,upperdir=$WORK/upper,workdir=$WORK/work" "$WORK/root"
cp -r "$ENTRY/." "$WORK/root/"
mount -t proc proc "$WORK/root/proc"
mount -t sysfs sysfs "$WORK/root/sys"
mount --rbind /dev "$WORK/root/dev"
ip link set lo up
exec chroot "$WORK/root" bash -s
`;

/**
 * Runs a bash script in the image's root file system (packages and entry points, without Weft's programs), in mount,
 * network and pid namespaces of its own, which are removed when it ends. Needs root.
 */
export async function inSandbox(script: string, progress: Progress): Promise<RunResult> {
  const rootfs = await ensureRootfs(progress);
  const work = await mkdtemp(join(tmpdir(), "weft-sandbox-"));
  try {
    return await run(
      "unshare",
      ["--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation=private", "bash", "-c", ENTER],
      {
        input: script,
        env: { ROOTFS: rootfs, WORK: work, ENTRY: join(import.meta.dirname, "root") },
        timeoutMs: 240_000,
        allowFailure: true,
      },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
