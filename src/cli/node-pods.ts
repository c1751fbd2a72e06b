// SPDX-License-Identifier: Apache-2.0

import { randomBytes } from "node:crypto";
import { KubeError, unlessNotFound } from "../kube/errors.ts";
import { informer } from "../kube/informer.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { PODS } from "../kube/resources.ts";
import { waitFor } from "../kube/wait.ts";
import { deadline } from "./deadline.ts";

/** A program to run once on each of some nodes, in a pod with the node's own network. */
export interface NodeTask {
  /** Prefix of the pods' names. */
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly pullPolicy: string;
  readonly pullSecrets: readonly string[];
  readonly command: readonly string[];
  /** Further fields of the pod's spec (core/v1 PodSpec) and of its one container. */
  readonly pod?: object;
  readonly container?: object;
  /** Deadline on a node. */
  readonly timeoutMs: number;
}

/** The result on one node: it ended with its termination message; or it did not, and why. */
export type NodeResult =
  | { readonly ended: true; readonly exitCode: number; readonly message: string }
  | { readonly ended: false; readonly why: string };

/** The label of all pods of one run; its value identifies the run. */
const TASK_LABEL = "weft.kubeovn.io/task";

/** Reasons for a waiting container that time alone does not resolve. */
const HOPELESS = ["ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff", "CreateContainerConfigError"];

interface ContainerStatus {
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: object;
    readonly terminated?: { readonly exitCode?: number; readonly message?: string; readonly reason?: string };
  };
  readonly ready?: boolean;
}

interface TaskPod extends KubeObject {
  readonly spec?: object;
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface PodState {
  readonly result?: NodeResult;
  readonly running: boolean;
  /** Why it has not ended yet. */
  readonly why: string;
  readonly uid: string;
  readonly ips: readonly string[];
}

/** A pod of a {@link NodeTask} as it was last seen. */
export interface TaskPodView extends Omit<PodState, "result"> {
  readonly name: string;
}

/** The pods of a {@link NodeTask} while they run. */
export interface RunningTask {
  /** Resolves when all run or have ended; nodes on which that does not happen in time are left out. */
  allRunning(): Promise<void>;
  /** Node → its pod, as far as it has been seen. */
  pods(): ReadonlyMap<string, TaskPodView>;
  /** Resolves with each node's result. */
  results(): Promise<ReadonlyMap<string, NodeResult>>;
}

/**
 * Starts a pod of `task` on each node (without the scheduler, and tolerating all taints), calls `action`, and removes
 * the pods in any case, also when `signal` fires. Rejects as `action` does; with a KubeError if a pod cannot be
 * created.
 */
export async function withNodePods<R>(
  kube: Kube,
  nodes: readonly string[],
  task: NodeTask,
  signal: AbortSignal,
  action: (running: RunningTask) => Promise<R>,
): Promise<R> {
  const run = randomBytes(4).toString("hex");
  const names = new Map(nodes.map((node, index) => [node, `${task.name}-${run}-${index}`]));
  const { namespace, timeoutMs } = task;
  const pods = informer<TaskPod, PodState>(kube, PODS, {
    namespace,
    labelSelector: `${TASK_LABEL}=${run}`,
    project: stateOf,
  });
  const ending = deadline(timeoutMs, signal);
  pods.start();
  try {
    for (const [node, name] of names) {
      signal.throwIfAborted();
      await kube.create<TaskPod>(PODS, podOf(task, node, name, run));
    }
    const each = async <T>(pick: (state: PodState | undefined) => T | undefined, late: (why: string) => T) => {
      const all = await Promise.all(
        [...names].map(async ([node, name]) => {
          const key = `${namespace}/${name}`;
          try {
            return [node, await waitFor(pods, key, pick, ending.signal)] as const;
          } catch (error) {
            signal.throwIfAborted();
            if (!(error instanceof KubeError && error.code === "aborted")) throw error;
            return [node, late(pods.get(key)?.why ?? "it was not started")] as const;
          }
        }),
      );
      return new Map(all);
    };
    return await action({
      async allRunning() {
        await each(
          (state) => (state !== undefined && (state.running || state.result !== undefined) ? true : undefined),
          () => false,
        );
      },
      pods: () =>
        new Map(
          [...names].flatMap(([node, name]) => {
            const state = pods.get(`${namespace}/${name}`);
            return state === undefined ? [] : [[node, { name, ...state }] as const];
          }),
        ),
      results: () =>
        each<NodeResult>(
          (state) => state?.result,
          (why) => ({ ended: false, why: `not ended after ${Math.round(timeoutMs / 1000)} s: ${why}` }),
        ),
    });
  } finally {
    ending.end();
    await pods.stop();
    await Promise.all([...names.values()].map((name) => removePod(kube, namespace, name)));
  }
}

async function removePod(kube: Kube, namespace: string, name: string): Promise<void> {
  // Not created yet when the run was ended, or already deleted.
  const options = { gracePeriodSeconds: 0, propagationPolicy: "Background" } as const;
  await kube.delete(PODS, { namespace, name }, options).catch(unlessNotFound);
}

function podOf(task: NodeTask, node: string, name: string, run: string) {
  const { namespace, image, pullPolicy, pullSecrets, command, timeoutMs } = task;
  return {
    metadata: { name, namespace, labels: { [TASK_LABEL]: run, "app.kubernetes.io/part-of": "weft" } },
    spec: {
      nodeName: node,
      hostNetwork: true,
      dnsPolicy: "Default",
      restartPolicy: "Never",
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      // If this program is killed, the pods still end.
      activeDeadlineSeconds: Math.ceil(timeoutMs / 1000) + 60,
      tolerations: [{ operator: "Exists" }],
      priorityClassName: "system-node-critical",
      ...(pullSecrets.length === 0 ? {} : { imagePullSecrets: pullSecrets.map((secret) => ({ name: secret })) }),
      ...task.pod,
      containers: [{ name: "task", image, imagePullPolicy: pullPolicy, command, ...task.container }],
    },
  };
}

/** The state of a pod, reduced to what matters here. */
function stateOf({ metadata, status = {} }: TaskPod): PodState {
  const seen = { uid: metadata.uid, ips: status.podIPs?.map(({ ip }) => ip) ?? [] };
  const container = status.containerStatuses?.[0];
  const { waiting, terminated, running } = container?.state ?? {};
  if (terminated !== undefined) {
    const { exitCode = 1, message = "" } = terminated;
    return { result: { ended: true, exitCode, message }, running: false, why: "", ...seen };
  }
  const why = [waiting?.reason, waiting?.message, status.reason, status.message].filter(Boolean).join(": ");
  if (status.phase === "Failed" || HOPELESS.includes(waiting?.reason ?? "")) {
    return { result: { ended: false, why: why || "the pod failed" }, running: false, why, ...seen };
  }
  const text = why || (running === undefined ? "kubelet has not started it" : "it still runs");
  return { running: running !== undefined && container?.ready === true, why: text, ...seen };
}
