// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { HostError } from "./error.ts";

/**
 * Runs `action` while holding the file lock `path` (flock(1), so the lock ends with its process whatever happens).
 * `onWait` is called once if another process holds it and we have to wait.
 * By util-linux: proper-lockfile's locks are folders that outlive a killed process until they are stale, and packages with flock(2) are compiled
 * on installation.
 */
export async function withFileLock<T>(path: string, action: () => Promise<T>, onWait?: () => void): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  // The child reports that it has the lock and keeps it until its standard input closes: when this process closes it, or when this
  // process ends.
  const child = spawn("flock", [path, "sh", "-c", "echo locked; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const waiting = setTimeout(() => onWait?.(), 300);
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => resolve());
      child.once("error", (cause) =>
        reject(new HostError("command-missing", "flock (util-linux) is required", { cause })),
      );
      child.once("exit", () => reject(new HostError("command-failed", `cannot lock ${path}`)));
    });
    clearTimeout(waiting);
    return await action();
  } finally {
    clearTimeout(waiting);
    child.stdin.end();
    await ended;
  }
}
