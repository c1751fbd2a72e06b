// SPDX-License-Identifier: Apache-2.0

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createVeth } from "../links.ts";
import { openNetns } from "../netns.ts";
import { type NetlinkSocket, openNetlink } from "../socket.ts";
import { withNetns } from "../with-netns.ts";

/** Helpers for tests against a real kernel. */

/**
 * The reason why tests against a real kernel cannot run here; `false` if they can. They create namespaces of their own and change
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
    return `needs permission to create and enter network namespaces: ${error}`;
  }
}

/** The same for tests in which nft(8) checks or applies rules in a namespace of their own. */
export function noNft(): string | false {
  const why = noKernel();
  if (why !== false) return why;
  try {
    execFileSync("/usr/bin/unshare", ["--net", "nft", "list", "tables"], { stdio: "ignore" });
    return false;
  } catch {
    return "needs nft";
  }
}

/** Registers the cleanup of a test. */
interface Teardown {
  teardown(fn: () => void): unknown;
}

/** An empty network namespace. It exists as long as a process that holds it. */
export async function newNetns(t: Teardown): Promise<string> {
  return (await newNetnsHolder(t)).path;
}

/** The same, with a function to remove it. */
export async function newNetnsHolder(t: Teardown): Promise<{ readonly path: string; end(): Promise<void> }> {
  // cat(1) ends with this process, also if that is killed.
  const holder = spawn("/usr/bin/unshare", ["--net", "sh", "-c", "echo; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.teardown(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  const end = async () => {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  };
  return { path: `/proc/${holder.pid}/ns/net`, end };
}

/** A namespace with eth0, up, whose other end is in it too. */
export async function withEth0(
  t: Teardown,
): Promise<{ readonly path: string; readonly socket: NetlinkSocket; readonly index: number }> {
  const path = await newNetns(t);
  const socket = openNetlink(path);
  t.teardown(() => socket.close());
  const { link } = createVeth(socket, { name: "eth0", up: true, peer: { name: "far", up: true } });
  return { path, socket, index: link.index };
}

/** Runs a program in a namespace and returns its output, to check results independently. */
export function runIn(netns: string, program: string, ...args: readonly string[]): string {
  using handle = openNetns(netns);
  const fd = 3;
  return execFileSync("nsenter", [`--net=/proc/self/fd/${fd}`, program, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", handle.fd],
  });
}
