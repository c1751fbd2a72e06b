// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { identify, type ProcessId } from "../../../../hack/lab/process.ts";
import type { PartName } from "../parts.ts";

/** A process of a part of the lab that runs in a pod. */
export interface PodProcess {
  readonly id: ProcessId;
  readonly node: string;
}

type PodPart = Exclude<PartName, LabPart>;
/** The parts that the lab starts itself, and nothing else starts again. */
type LabPart = "etcd" | "apiserver" | "controller-manager" | "scheduler" | "kubelet" | "containerd";

/** Whether a command line is that of a part. */
const IS: Readonly<Record<PodPart, (program: string, args: readonly string[]) => boolean>> = {
  daemon: (program, args) => program === "node" && args.some((arg) => arg.endsWith("/weft-daemon.mjs")),
  controller: (program, args) => program === "node" && args.some((arg) => arg.endsWith("/weft-controller.mjs")),
  "ovn-controller": (program) => program === "ovn-controller",
  vswitchd: (program) => program === "ovs-vswitchd",
  "ovsdb-server": (program, args) => isServer(program) && args.some((arg) => arg.endsWith("/openvswitch/conf.db")),
  nb: (program, args) => isServer(program) && args.some((arg) => arg.includes("ovnnb_db")),
  sb: (program, args) => isServer(program) && args.some((arg) => arg.includes("ovnsb_db")),
  northd: (program) => program === "ovn-northd",
};

function isServer(program: string): boolean {
  return program === "ovsdb-server";
}

/** Whether a part runs in a pod. */
export function runsInPod(part: PartName): part is PodPart {
  return Object.hasOwn(IS, part);
}

/**
 * The processes of a part in the pods of a lab, found in /proc by the lab's cgroup (`weft-ID/NODE/…/pod…`) and their command lines: faults of the API
 * server must not keep them from being found.
 */
export function podProcesses(cgroup: string, part: PodPart): readonly PodProcess[] {
  const inLab = new RegExp(`:/(?:.*/)?${cgroup}/([^/\n]+)/.*pod`, "m");
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const node = inLab.exec(readFileSync(`/proc/${entry}/cgroup`, "latin1"))?.[1];
      if (node === undefined) return [];
      const [program = "", ...args] = readFileSync(`/proc/${entry}/cmdline`, "latin1").split("\0");
      if (!IS[part](basename(program), args)) return [];
      const id = identify(Number(entry));
      return id === undefined ? [] : [{ id, node }];
    } catch {
      // A process that has just ended is not one.
      return [];
    }
  });
}

/** The pod that a process belongs to, as Weft's workloads say it in their environment. */
export function podNameOf({ pid }: ProcessId): string | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
    return environment.find((entry) => entry.startsWith("POD_NAME="))?.slice("POD_NAME=".length);
  } catch {
    return undefined;
  }
}
