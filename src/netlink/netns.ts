// SPDX-License-Identifier: Apache-2.0

import { access, closeSync, fstatSync, openSync } from "node:fs";
import { errorFromFs, NetlinkError } from "./error.ts";
import { isNetns, setNetns } from "./libc.ts";

/** An open network namespace. While it is open the namespace lives on, though its name and processes go. */
export interface NetnsHandle {
  readonly fd: number;
  /** Where it was opened; by now it may be another one, or none */
  readonly path: string;
  /** As of `netnsIdentity` */
  readonly identity: string;
  close(): void;
  [Symbol.dispose](): void;
}

/** A network namespace by path ("/run/netns/x", "/proc/PID/ns/net") or open. */
export type NetnsRef = string | NetnsHandle;

/**
 * Opens a network namespace. Throws `no-netns` if there is nothing at the path, or something else: what is left at
 * /run/netns/x after an unmount is an empty file.
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
    // A number closed twice may by then be another's.
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
 * "st_dev:st_ino" of the network namespace at a path. Two paths with the same identity are the same namespace, as long
 * as it lives; a later one may get the number again. `undefined` if there is none (any more).
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

/** The thread's own namespace; opened before the thread first leaves it. */
let home: NetnsHandle | undefined;
/** Where the thread is now. */
let current: NetnsHandle | undefined;

/** The namespace this thread is in. */
export function currentNetns(): NetnsHandle {
  if (home === undefined) {
    home = openNetns("/proc/thread-self/ns/net");
    // A thread is born in the namespace of the one that makes it. libuv makes its pool at the first asynchronous call:
    // within `enter`, name lookups would be a pod's from then on. So that call is made before, whatever it is.
    access("/", () => {});
  }
  return current ?? home;
}

/**
 * Runs `fn` with this thread in a network namespace, and takes the thread out again. May be nested. Other threads of
 * the process are not affected, and the synchronous calls of `node:fs` run on this thread, so they see the
 * namespace's own /proc/sys/net; asynchronous ones do not.
 *
 * If the way back fails the process is aborted: every later connection and every file under /proc/sys/net would be
 * some pod's, and nothing that catches an error could know.
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
