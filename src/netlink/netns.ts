// SPDX-License-Identifier: Apache-2.0

import { access, closeSync, fstatSync, openSync } from "node:fs";
import { errorFromFs, NetlinkError } from "./error.ts";
import { isNetns, setNetns } from "./libc.ts";

/** An open network namespace. It keeps the namespace alive even if its name and processes go. */
export interface NetnsHandle {
  readonly fd: number;
  /** The path at which it was opened; it may now be another namespace, or none */
  readonly path: string;
  /** As of `netnsIdentity` */
  readonly identity: string;
  close(): void;
  [Symbol.dispose](): void;
}

/** A network namespace by path ("/run/netns/x", "/proc/PID/ns/net") or open. */
export type NetnsRef = string | NetnsHandle;

/**
 * Opens a network namespace. Throws `no-netns` if the path does not exist or is not a network namespace: an unmount
 * leaves an empty file at /run/netns/x.
 */
export function openNetns(path: string): NetnsHandle {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (thrown) {
    const error = errorFromFs("open", thrown);
    if (error.code !== "not-found" && !isNotDirectory(thrown)) throw error;
    throw new NetlinkError("no-netns", "open", `${path} does not exist`, { cause: thrown });
  }
  if (!isNetns(fd)) {
    closeSync(fd);
    throw new NetlinkError("no-netns", "open", `${path} is not a network namespace`);
  }
  let open = true;
  const close = () => {
    // A descriptor closed twice may already be reused.
    if (open) closeSync(fd);
    open = false;
  };
  return { fd, path, identity: identityOf(fd), close, [Symbol.dispose]: close };
}

function isNotDirectory(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOTDIR";
}

function identityOf(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}

/**
 * "st_dev:st_ino" of the network namespace at a path. Two paths with the same identity are the same namespace
 * while it exists; a later one may get the same inode number. `undefined` if it does not exist.
 */
export function netnsIdentity(path: string): string | undefined {
  try {
    using handle = openNetns(path);
    return handle.identity;
  } catch (error) {
    if (error instanceof NetlinkError && error.code === "no-netns") return undefined;
    throw error;
  }
}

/** The thread's original namespace; opened before the thread first leaves it. */
let home: NetnsHandle | undefined;
/** The current namespace of the thread. */
let current: NetnsHandle | undefined;

/** The current namespace of this thread. */
export function currentNetns(): NetnsHandle {
  if (home === undefined) {
    home = openNetns("/proc/thread-self/ns/net");
    // A thread starts in the namespace of the thread that creates it. libuv creates its pool at the first asynchronous call:
    // inside `enter`, name lookups would be made in a pod's namespace from then on. So an asynchronous call is made before.
    access("/", () => {});
  }
  return current ?? home;
}

/**
 * Runs `fn` with this thread in a network namespace, then returns the thread to the previous one. May be nested.
 * Other threads of the process are not affected, and the synchronous calls of `node:fs` run on this thread, so they
 * see the namespace's own /proc/sys/net; asynchronous ones do not.
 *
 * If the return fails, the process is aborted: every later connection and every file under /proc/sys/net would be in
 * a pod's namespace, and no error handler could detect it.
 */
export function enter<T>(netns: NetnsRef, fn: (inside: NetnsHandle) => T): T {
  const before = currentNetns();
  const target = typeof netns === "string" ? openNetns(netns) : netns;
  try {
    setNetns(target.fd);
    const outer = current;
    current = target;
    try {
      return fn(target);
    } finally {
      current = outer;
      leaveTo(before);
    }
  } finally {
    if (target !== netns) target.close();
  }
}

function leaveTo(netns: NetnsHandle): void {
  try {
    setNetns(netns.fd);
  } catch (error) {
    console.error("weft: failed to leave a network namespace; aborting the process:", error);
    process.abort();
  }
}
