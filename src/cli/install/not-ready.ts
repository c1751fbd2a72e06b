// SPDX-License-Identifier: Apache-2.0

import type { KubeObject } from "../../kube/object.ts";

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode?: number };
}

interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

/** The fields of a pod that are read (core/v1). */
export interface PodView extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** The end of a container's log; `previous`: of its previous run. Never rejects: without a log it returns the reason. */
export type LogReader = (pod: string, container: string, previous: boolean) => Promise<string>;

/**
 * The pods of `pods` that keep the workloads with these labels `app` from being ready, with Kubernetes' reason, and
 * the end of the log of the container in question. Empty if all are ready.
 */
export async function whyNotReady(
  pods: readonly PodView[],
  apps: readonly string[],
  log: LogReader,
): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const app of apps) {
    const ours = pods.filter(({ metadata }) => metadata.labels?.["app"] === app);
    if (ours.length === 0) lines.push(`${app}: there is no pod`);
    for (const pod of ours) lines.push(...(await describePod(pod, log)));
  }
  return lines;
}

async function describePod({ metadata, spec, status = {} }: PodView, log: LogReader): Promise<readonly string[]> {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const wrong = containers.filter((container) => !container.ready && container.state?.terminated?.exitCode !== 0);
  if (wrong.length === 0 && containers.length > 0) return [];
  const scheduled = status.conditions?.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  const state = scheduled?.message ?? status.phase ?? "unknown";
  const lines = [`${metadata.name} on ${spec?.nodeName ?? "no node"}: ${state}`];
  for (const container of wrong) lines.push(...(await describeContainer(metadata.name, container, log)));
  return lines;
}

async function describeContainer(pod: string, container: ContainerStatus, log: LogReader): Promise<readonly string[]> {
  const { waiting, terminated } = container.state ?? {};
  const last = container.lastState?.terminated;
  const reasons = [waiting?.reason, waiting?.message, terminated?.reason, last && `exit code ${last.exitCode} before`];
  const what = reasons.filter(Boolean).join(", ") || "running, but its probes fail";
  const text = await log(pod, container.name, waiting !== undefined && last !== undefined);
  return [
    `${container.name}: ${what}; ${container.restartCount} restarts; the end of its log:`,
    ...text
      .trim()
      .split("\n")
      .map((line) => `  ${line.slice(0, 300)}`),
  ];
}
