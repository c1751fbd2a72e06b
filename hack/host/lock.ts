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
  const waiting = setTimeout(() => onWait?.(), 300);
  try {
    return await hold(path, [], new HostError("command-failed", `cannot lock ${path}`), () => {
      clearTimeout(waiting);
      return action();
    });
  } finally {
    clearTimeout(waiting);
  }
}

/** The same, but if another process holds the lock, `action` is not run: rejects with HostError `in-use` and `message`. */
export async function withFreeFileLock<T>(path: string, message: string, action: () => Promise<T>): Promise<T> {
  return await hold(path, ["--nonblock"], new HostError("in-use", message), action);
}

async function hold<T>(
  path: string,
  flags: readonly string[],
  refused: HostError,
  action: () => Promise<T>,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  // The child reports that it has the lock and keeps it until its standard input closes: when this process closes it, or when this
  // process ends.
  const command = [...flags, path, "sh", "-c", "echo locked; exec cat"];
  const child = spawn("flock", command, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => resolve());
      child.once("error", (cause) =>
        reject(new HostError("command-missing", "flock (util-linux) is required", { cause })),
      );
      child.once("exit", () => reject(refused));
    });
    return await action();
  } finally {
    child.stdin.end();
    await ended;
  }
}
