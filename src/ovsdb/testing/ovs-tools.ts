// SPDX-License-Identifier: Apache-2.0

import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** A program of Open vSwitch that the tests run. */
export type OvsTool = "ovsdb-server" | "ovsdb-tool" | "ovsdb-client" | "ovs-appctl";

/** The locations of the programs, and the prefix of their command line. */
export interface OvsTools {
  /** The command and its first arguments. */
  command(tool: OvsTool): readonly [string, ...string[]];
}

const FOLDERS: Readonly<Record<OvsTool, string>> = {
  "ovsdb-server": "usr/sbin",
  "ovsdb-tool": "usr/bin",
  "ovsdb-client": "usr/bin",
  "ovs-appctl": "usr/bin",
};
const TOOLS = Object.keys(FOLDERS) as readonly OvsTool[];

/**
 * The programs on the PATH, else those in the root file system that the project caches (`$WEFT_CACHE/trixie-base`);
 * or, as text, why there are none. `WEFT_TEST_OVS=cache` skips the PATH, `WEFT_DEBIAN_SUITE=sid` uses another Debian
 * suite.
 */
export function findOvsTools(): OvsTools | string {
  const { PATH = "", WEFT_TEST_OVS } = process.env;
  if (WEFT_TEST_OVS !== "cache") {
    const folders = [...PATH.split(delimiter), "/usr/sbin", "/sbin"].filter((folder) => folder !== "");
    const found = new Map(
      TOOLS.map((tool) => [tool, folders.map((f) => join(f, tool)).find((path) => existsSync(path))]),
    );
    if (TOOLS.every((tool) => found.get(tool) !== undefined)) {
      return { command: (tool) => [found.get(tool) ?? tool] };
    }
  }
  const root = cachedRoot();
  const start = programsOf(root);
  if (start === undefined || !TOOLS.every((tool) => existsSync(join(root, FOLDERS[tool], tool)))) {
    return `no ovsdb-server on the PATH, nor in ${root}`;
  }
  return { command: (tool) => start(join(FOLDERS[tool], tool)) };
}

/** The root file system that the project caches, whether it exists yet or not. */
export function cachedRoot(): string {
  const { WEFT_CACHE, WEFT_DEBIAN_SUITE = "trixie", XDG_CACHE_HOME } = process.env;
  const cache = WEFT_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "weft");
  return join(cache, `${WEFT_DEBIAN_SUITE}-base`);
}

/**
 * The command that starts a program of a root file system, by its path there: through that system's own loader,
 * because it needs its own libc. Undefined if the system does not have it.
 */
export function programsOf(root: string): ((path: string) => readonly [string, ...string[]]) | undefined {
  const loader = ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"]
    .map((path) => join(root, path))
    .find((path) => existsSync(path));
  if (loader === undefined) return undefined;
  const libraries = readdirSync(join(root, "usr/lib"))
    .filter((name) => name.endsWith("-linux-gnu"))
    .map((name) => join(root, "usr/lib", name));
  return (path) => [loader, "--library-path", libraries.join(":"), join(root, path)];
}
