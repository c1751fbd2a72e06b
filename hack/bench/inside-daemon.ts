// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import type { Lab } from "../lab/lab.ts";
import { commandLine, findProcesses } from "../lab/process.ts";
import { spaceMark } from "../lab/space.ts";

/**
 * How to run something with the file system of the image, on a node's network: as the node's daemon has them. `command` are the
 * arguments of nsenter(1), which replaces itself by what follows them.
 */
export function insideDaemon(
  lab: Lab,
  node: string,
): { readonly command: readonly string[]; readonly environment: Readonly<Record<string, string>> } {
  for (const { pid } of findProcesses(spaceMark(lab.paths, node))) {
    const words = commandLine(pid);
    if (!words.some((word) => word.endsWith("/weft-daemon.mjs"))) continue;
    const entries = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return {
      command: [`--target=${pid}`, "--net", "--mount", "--uts", "--root", "--wd=/", "--"],
      environment: Object.fromEntries(
        entries
          .filter((entry) => entry.includes("="))
          .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
      ),
    };
  }
  throw new Error(`weft-daemon does not run on ${node}`);
}
