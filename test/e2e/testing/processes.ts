// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { type RunOptions, type RunResult, run } from "../../../hack/host/run.ts";
import { identify, killOne, type ProcessId } from "../../../hack/lab/process.ts";
import { until } from "../../../hack/lab/wait.ts";

/** Words in the command line of each part of Weft. */
export const PROGRAM = {
  daemon: "weft-daemon.mjs",
  controller: "weft-controller.mjs",
  /** The first process of the containers of both. */
  supervisor: "bin/supervise",
  central: "start-central",
  vswitchd: "ovs-vswitchd",
  ovnController: "ovn-controller",
} as const;

/** The running process of a pod whose command line contains `word`; undefined if there is none (any more, or yet). */
export function findProcess(podUid: string, word: string): ProcessId | undefined {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (!readFileSync(`/proc/${entry}/cgroup`, "utf8").includes(`pod${podUid}`)) continue;
      if (!readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(word)) continue;
      const found = identify(Number(entry));
      if (found !== undefined) return found;
    } catch {
      // The process may have just ended.
    }
  }
  return undefined;
}

/** As {@link findProcess}; throws if there is none. */
export function requireProcess(podUid: string, word: string): ProcessId {
  const found = findProcess(podUid, word);
  if (found === undefined) throw new Error(`no ${word} runs in pod ${podUid}`);
  return found;
}

/** Sends SIGKILL to a process of a pod; its container starts it again. Resolves when it is gone. */
export async function killProcess(podUid: string, word: string): Promise<ProcessId> {
  const found = requireProcess(podUid, word);
  await killOne(found);
  return found;
}

/** Ends the container of a daemon or a controller: only kubelet starts it again. Resolves when its program is gone too. */
export async function killContainer(podUid: string, word: string): Promise<void> {
  await killProcess(podUid, PROGRAM.supervisor);
  await until(`${word} has ended`, 5_000, () => findProcess(podUid, word) === undefined);
}

/** Runs a command in the file system and network of that process's container. */
export function inContainer(
  podUid: string,
  word: string,
  command: readonly string[],
  options?: RunOptions,
): Promise<RunResult> {
  const { pid } = requireProcess(podUid, word);
  return run("nsenter", [`--target=${pid}`, "--mount", "--net", "--", ...command], options);
}
