// SPDX-License-Identifier: Apache-2.0

import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** A program of Open vSwitch that the tests run. */
export type OvsTool = "ovsdb-server" | "ovsdb-tool" | "ovsdb-client" | "ovs-appctl";

/** Where the programs are, and what comes before them on a command line. */
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
 * The programs on the PATH, else those in the root file system that the project caches (`$WEFT_CACHE/trixie-base`); or, as text, why
 * there are none. `WEFT_TEST_OVS=cache` passes the PATH over, `WEFT_DEBIAN_SUITE=sid` takes those of another Debian suite.
 */
export function findOvsTools(): OvsTools | string {
  const { PATH = "", WEFT_CACHE, WEFT_DEBIAN_SUITE = "trixie", WEFT_TEST_OVS, XDG_CACHE_HOME } = process.env;
  if (WEFT_TEST_OVS !== "cache") {
    const folders = [...PATH.split(delimiter), "/usr/sbin", "/sbin"].filter((folder) => folder !== "");
    const found = new Map(
      TOOLS.map((tool) => [tool, folders.map((f) => join(f, tool)).find((path) => existsSync(path))]),
    );
    if (TOOLS.every((tool) => found.get(tool) !== undefined)) {
      return { command: (tool) => [found.get(tool) ?? tool] };
    }
  }
  const root = join(
    WEFT_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "weft"),
    `${WEFT_DEBIAN_SUITE}-base`,
  );
  const loader = ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"]
    .map((path) => join(root, path))
    .find((path) => existsSync(path));
  if (loader === undefined || !TOOLS.every((tool) => existsSync(join(root, FOLDERS[tool], tool)))) {
    return `no ovsdb-server on the PATH, nor in ${root}`;
  }
  // Its programs need its own libc, so they are started through its own loader.
  const libraries = readdirSync(join(root, "usr/lib"))
    .filter((name) => name.endsWith("-linux-gnu"))
    .map((name) => join(root, "usr/lib", name));
  return {
    command: (tool) => [loader, "--library-path", libraries.join(":"), join(root, FOLDERS[tool], tool)],
  };
}
