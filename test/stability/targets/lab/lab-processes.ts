// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { identify, type ProcessId } from "../../../../hack/lab/process.ts";
import { isProcessOf, type PodPart } from "../pod-parts.ts";

/** A process of a part of the lab that runs in a pod. */
export interface PodProcess {
  readonly id: ProcessId;
  readonly node: string;
}

/**
 * The processes of a part in the pods of a lab, found in /proc by the lab's cgroup (`weft-ID/NODE/…/pod…`) and their command lines: faults of the API
 * server must not prevent that.
 */
export function podProcesses(cgroup: string, part: PodPart): readonly PodProcess[] {
  const inLab = new RegExp(`:/(?:.*/)?${cgroup}/([^/\n]+)/.*pod`, "m");
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const node = inLab.exec(readFileSync(`/proc/${entry}/cgroup`, "latin1"))?.[1];
      if (node === undefined) return [];
      const [program = "", ...args] = readFileSync(`/proc/${entry}/cmdline`, "latin1").split("\0");
      if (!isProcessOf(part, program, args)) return [];
      const id = identify(Number(entry));
      return id === undefined ? [] : [{ id, node }];
    } catch {
      // The process may have just ended.
      return [];
    }
  });
}

/** The pod that a process belongs to, according to its environment. */
export function podNameOf({ pid }: ProcessId): string | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
    return environment.find((entry) => entry.startsWith("POD_NAME="))?.slice("POD_NAME=".length);
  } catch {
    return undefined;
  }
}
