// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import { run } from "../host/run.ts";
import type { Api, UntypedWatchEvent } from "./api.ts";
import { LabError } from "./error.ts";
import type { LabPaths } from "./paths.ts";

/** The fields of a Node that are read here. */
export interface LabNodeObject {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly podCIDRs?: readonly string[] };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastHeartbeatTime?: string;
    }[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
  };
}

/** Whether a node reports that it is Ready, and has done so since `since` (milliseconds of the epoch). */
export function isReady(node: LabNodeObject, since = 0): boolean {
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  // Heartbeats have whole seconds.
  return ready?.status === "True" && Date.parse(ready.lastHeartbeatTime ?? "") >= since - 1000;
}

/** Watches until `accept` holds for each of the nodes named; returns them as last seen. Rejects with LabError `timed-out`. */
export async function waitForNodes(
  api: Api,
  names: readonly string[],
  what: string,
  timeoutMs: number,
  accept: (node: LabNodeObject) => boolean,
): Promise<readonly LabNodeObject[]> {
  const last = new Map<string, LabNodeObject>();
  const missing = (): readonly string[] => names.filter((name) => !accepted(last.get(name)));
  const accepted = (node: LabNodeObject | undefined): boolean => node !== undefined && accept(node);
  await watchUntil(
    api,
    "/api/v1/nodes",
    timeoutMs,
    () => `nodes ${missing().join(", ")} are not ${what}`,
    ({ type, object }) => {
      const node = object as LabNodeObject;
      if (type === "DELETED") last.delete(node.metadata.name);
      else last.set(node.metadata.name, node);
      return missing().length === 0;
    },
  );
  return names.flatMap((name) => last.get(name) ?? []);
}

/** Watches until a Deployment has all of its replicas available. Rejects with LabError `timed-out`. */
export async function waitForDeployment(api: Api, namespace: string, name: string, timeoutMs: number): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments?fieldSelector=metadata.name%3D${name}`;
  let seen = "absent";
  await watchUntil(
    api,
    path,
    timeoutMs,
    () => `Deployment ${namespace}/${name} is ${seen}`,
    ({ object }) => {
      const deployment = object as { spec: { replicas: number }; status?: { availableReplicas?: number } };
      const available = deployment.status?.availableReplicas ?? 0;
      seen = `available ${available} of ${deployment.spec.replicas}`;
      return available >= deployment.spec.replicas;
    },
  );
}

async function watchUntil(
  api: Api,
  path: string,
  timeoutMs: number,
  complaint: () => string,
  seen: (event: UntypedWatchEvent) => boolean,
): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    await api.watch(path, signal, seen);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new LabError("timed-out", `after ${Math.round(timeoutMs / 1000)} s ${complaint()}`, { cause });
  }
}

/** Sets labels that a kubelet may not give itself. */
export async function labelNode(api: Api, name: string, labels: Readonly<Record<string, string>>): Promise<void> {
  await api.json("PATCH", `/api/v1/nodes/${name}`, { metadata: { labels } }, "application/merge-patch+json");
}

/** Applies objects by kubectl, server-side, as the lab's own field manager. */
export async function applyObjects(paths: LabPaths, objects: readonly unknown[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  const args = [
    `--kubeconfig=${paths.kubeconfig}`,
    "apply",
    "--server-side",
    "--force-conflicts",
    "--field-manager=weft-lab",
    "-f",
    "-",
  ];
  await run(join(paths.bin, "kubectl"), args, { input });
}
