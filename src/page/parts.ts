// SPDX-License-Identifier: Apache-2.0

import { PINGER_COMPONENT } from "../api/names.ts";
import type { Part } from "./contract.ts";

/** Weft's workloads. The last ones exist where a value of the chart turns them on. */
const WORKLOADS: Readonly<Record<Part["kind"], readonly string[]>> = {
  Deployment: ["ovn-central", "kube-ovn-controller"],
  DaemonSet: ["ovs-ovn", "kube-ovn-cni", "kube-ovn-speaker", PINGER_COMPONENT],
};

/** What is read of a Deployment or DaemonSet (apps/v1). */
export interface WorkloadObject {
  readonly metadata: { readonly name: string };
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** How much of a part of Weft runs; `undefined` if the workload is not Weft's. */
export function partOf(kind: Part["kind"], { metadata: { name }, spec, status }: WorkloadObject): Part | undefined {
  if (!WORKLOADS[kind].includes(name)) return undefined;
  const [is, wants] = [fields(status), fields(spec)];
  const wanted = kind === "DaemonSet" ? is["desiredNumberScheduled"] : wants["replicas"];
  const ready = kind === "DaemonSet" ? is["numberReady"] : is["readyReplicas"];
  return { kind, name, wanted: Number(wanted ?? 0), ready: Number(ready ?? 0) };
}

function fields(of: unknown): Readonly<Record<string, unknown>> {
  return typeof of === "object" && of !== null ? (of as Readonly<Record<string, unknown>>) : {};
}
