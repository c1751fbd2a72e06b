// SPDX-License-Identifier: Apache-2.0

import { readFileSync, writeFileSync } from "node:fs";
import { absentAs } from "./absent.ts";
import { errorFromFs, invalidArgument } from "./error.ts";
import type { Netns } from "./with-netns.ts";

/**
 * The sysctls of a network namespace. /proc/sys/net shows those of the *thread* that opens a file there; the
 * synchronous calls of `node:fs` run on the calling thread, and `ns` shows that it is in the namespace.
 */

/**
 * The path of a key below /proc/sys/net, as a list because the name of an interface may contain dots:
 * ["ipv6", "conf", "eth0.100", "accept_ra"].
 */
function pathOf(operation: string, key: readonly string[]): string {
  for (const part of key) {
    if (part === "" || part === "." || part === ".." || /[/\0]/.test(part)) {
      throw invalidArgument(operation, `"${part}" in the key ${key.join("/")}`);
    }
  }
  return `/proc/sys/net/${key.join("/")}`;
}

/** The value of a sysctl without the newline; `undefined` if the kernel has no such key or interface. */
export function readSysctl(ns: Netns, key: readonly string[]): string | undefined {
  const operation = `read ${key.join(".")}`;
  ns.assertEntered(operation);
  const path = pathOf(operation, key);
  return absentAs(undefined, () => {
    try {
      return readFileSync(path, "utf8").trimEnd();
    } catch (thrown) {
      throw errorFromFs(operation, thrown);
    }
  });
}

/** Sets a sysctl, unless it has the value already. Throws `not-found` if there is no such key, `permission` if /proc/sys is read-only. */
export function writeSysctl(ns: Netns, key: readonly string[], value: string | number): void {
  const text = String(value);
  if (readSysctl(ns, key) === text) return;
  const operation = `write ${key.join(".")}`;
  try {
    writeFileSync(pathOf(operation, key), text);
  } catch (thrown) {
    throw errorFromFs(operation, thrown);
  }
}
