// SPDX-License-Identifier: Apache-2.0

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { openNetns } from "../netns.ts";
import { withNetns } from "../with-netns.ts";

/** Helpers of this folder's tests that want a real kernel. */

/**
 * Why the tests with a real kernel cannot run here; `false` if they can. They make namespaces of their own and touch
 * nothing else.
 */
export function noKernel(): string | false {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, to make network namespaces";
  if (!existsSync("/usr/bin/unshare")) return "needs unshare(1), to make network namespaces";
  try {
    execFileSync("/usr/bin/unshare", ["--net", "true"], { stdio: "ignore" });
    withNetns("/proc/self/ns/net", () => {});
    return false;
  } catch (error) {
    return `needs leave to make and enter network namespaces: ${error}`;
  }
}

/** Where a test ends what it began. */
interface Teardown {
  teardown(fn: () => void): unknown;
}

/** A network namespace with nothing in it. It is held by a process that sleeps, and gone with it. */
export async function newNetns(t: Teardown): Promise<string> {
  return (await newNetnsHolder(t)).path;
}

/** The same, and a way to end it. */
export async function newNetnsHolder(t: Teardown): Promise<{ readonly path: string; end(): Promise<void> }> {
  const holder = spawn("/usr/bin/unshare", ["--net", "sh", "-c", "echo; exec sleep 120"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  const end = async () => {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  };
  return { path: `/proc/${holder.pid}/ns/net`, end };
}

/** Runs a program in a namespace and gives what it prints: whether others see there what was done. */
export function runIn(netns: string, program: string, ...args: readonly string[]): string {
  using handle = openNetns(netns);
  const fd = 3;
  return execFileSync("nsenter", [`--net=/proc/self/fd/${fd}`, program, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", handle.fd],
  });
}
