// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { type RunOptions, type RunResult, run } from "../../../hack/host/run.ts";
import { identify, killOne, type ProcessId } from "../../../hack/lab/process.ts";

/** Words in the command line of each part of Weft. */
export const PROGRAM = {
  daemon: "weft-daemon.mjs",
  controller: "weft-controller.mjs",
  central: "start-central",
  vswitchd: "ovs-vswitchd",
  ovnController: "ovn-controller",
} as const;

/** The living process of a pod whose command line has `word` in it; undefined where there is none (any more, or yet). */
export function findProcess(podUid: string, word: string): ProcessId | undefined {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (!readFileSync(`/proc/${entry}/cgroup`, "utf8").includes(`pod${podUid}`)) continue;
      if (!readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(word)) continue;
      const found = identify(Number(entry));
      if (found !== undefined) return found;
    } catch {
      // A process that has just ended is not the one.
    }
  }
  return undefined;
}

/** As {@link findProcess}; throws where there is none. */
export function requireProcess(podUid: string, word: string): ProcessId {
  const found = findProcess(podUid, word);
  if (found === undefined) throw new Error(`no ${word} runs in pod ${podUid}`);
  return found;
}

/** SIGKILL to a process of a pod; where it is its container's first, the container dies with it. Resolves when it is gone. */
export async function killProcess(podUid: string, word: string): Promise<ProcessId> {
  const found = requireProcess(podUid, word);
  await killOne(found);
  return found;
}

/** Runs a command where that process is: its container's file system and network. */
export function inContainer(
  podUid: string,
  word: string,
  command: readonly string[],
  options?: RunOptions,
): Promise<RunResult> {
  const { pid } = requireProcess(podUid, word);
  return run("nsenter", [`--target=${pid}`, "--mount", "--net", "--", ...command], options);
}
