// SPDX-License-Identifier: Apache-2.0

import { concernsInterface } from "../../contract/pod.ts";
import { unlessNotFound } from "../../kube/errors.ts";
import type { Informer } from "../../kube/informer.ts";
import { informer } from "../../kube/informer.ts";
import type { InformerTime } from "../../kube/informer-options.ts";
import type { Kube } from "../../kube/kube.ts";
import { PODS } from "../../kube/resources.ts";
import type { Pod } from "../../kube/types.ts";
import { probePorts } from "./probe-ports.ts";

/** The fields of a pod that the daemon stores. */
export interface NodePod {
  readonly name: string;
  readonly namespace: string;
  /** The uid, and for a static pod also the one that kubelet sends to the runtime (its mirror object has another). */
  readonly uids: readonly string[];
  /** Time of creation, as the API server writes it. */
  readonly created: string;
  readonly deleting: boolean;
  /** All its containers have ended permanently: its address may be another pod's. */
  readonly ended: boolean;
  /** The annotations about interfaces, see `concernsInterface`. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The TCP ports at its address that kubelet connects to. */
  readonly probePorts: readonly number[];
}

/** kubelet writes the static pod's own uid there; CNI_ARGS contains the same. */
const CONFIG_HASH = "kubernetes.io/config.hash";

/** Reads the stored fields of a pod. */
export function nodePod(pod: Pod): NodePod {
  const all = pod.metadata.annotations ?? {};
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(all)) {
    if (concernsInterface(key)) annotations[key] = value;
  }
  const hash = all[CONFIG_HASH];
  return {
    name: pod.metadata.name,
    namespace: pod.metadata.namespace ?? "",
    uids: hash === undefined ? [pod.metadata.uid] : [pod.metadata.uid, hash],
    created: pod.metadata.creationTimestamp ?? "",
    deleting: pod.metadata.deletionTimestamp !== undefined,
    ended: pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed",
    annotations,
    probePorts: probePorts(pod),
  };
}

/** Watches the pods of one node that do not use the host network. */
export function podInformer(
  kube: Kube,
  node: string,
  onError: (error: unknown, context: string) => void,
  time: InformerTime = {},
): Informer<NodePod> {
  return informer<Pod, NodePod>(kube, PODS, {
    fieldSelector: `spec.nodeName=${node},spec.hostNetwork=false`,
    fromMemory: true,
    project: nodePod,
    equal: samePod,
    onError,
    ...time,
  });
}

/** A pod's present state in the API server; undefined if it does not exist. */
export async function readPod(kube: Kube, namespace: string, name: string): Promise<NodePod | undefined> {
  const pod = await kube.get<Pod>(PODS, { namespace, name }).catch(unlessNotFound);
  return pod && nodePod(pod);
}

/** A pod's status changes often while it starts; those changes are ignored. */
function samePod(a: NodePod, b: NodePod): boolean {
  return (
    a.deleting === b.deleting &&
    a.ended === b.ended &&
    a.probePorts.join() === b.probePorts.join() &&
    a.uids.join() === b.uids.join() &&
    JSON.stringify(a.annotations) === JSON.stringify(b.annotations)
  );
}
