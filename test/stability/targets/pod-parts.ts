// SPDX-License-Identifier: Apache-2.0

import { basename } from "node:path";
import type { PartName } from "./parts.ts";

/** The parts that run in pods of Weft. */
export type PodPart = Exclude<PartName, KubernetesPart>;
/** The parts of Kubernetes. */
type KubernetesPart = "etcd" | "apiserver" | "controller-manager" | "scheduler" | "kubelet" | "containerd";

/** Whether a command line is that of a part. */
const IS: Readonly<Record<PodPart, (program: string, args: readonly string[]) => boolean>> = {
  daemon: (program, args) => program === "node" && args.some((arg) => arg.endsWith("/weft-daemon.mjs")),
  controller: (program, args) => program === "node" && args.some((arg) => arg.endsWith("/weft-controller.mjs")),
  speaker: (program, args) => program === "node" && args.some((arg) => arg.endsWith("/weft-speaker.mjs")),
  bird: (program) => program === "bird",
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

/** Whether a command line is that of a part. */
export function isProcessOf(part: PodPart, program: string, args: readonly string[]): boolean {
  return IS[part](basename(program), args);
}

/** Whether a part runs in a pod of Weft. */
export function runsInPod(part: string): part is PodPart {
  return Object.hasOwn(IS, part);
}
