// SPDX-License-Identifier: Apache-2.0

import { PINGER_COMPONENT } from "../../api/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import { DAEMON_SETS, DEPLOYMENTS, type ResourceType } from "../../kube/resources.ts";

/** A workload of the chart. */
export interface Workload {
  readonly type: ResourceType;
  readonly name: string;
  /** The label `app` of its pods. */
  readonly app: string;
  /** Its description. */
  readonly what: string;
  /** A value of the chart decides whether it exists, and labels on which nodes it runs. */
  readonly optional?: boolean;
}

/** The workloads of the chart, in the order in which they can become ready. */
export const WORKLOADS: readonly Workload[] = [
  { type: DEPLOYMENTS, name: "ovn-central", app: "ovn-central", what: "OVN's databases and northd" },
  { type: DAEMON_SETS, name: "ovs-ovn", app: "ovs", what: "Open vSwitch and ovn-controller on each node" },
  { type: DEPLOYMENTS, name: "kube-ovn-controller", app: "kube-ovn-controller", what: "weft-controller" },
  { type: DAEMON_SETS, name: "kube-ovn-cni", app: "kube-ovn-cni", what: "weft-daemon on each node" },
  {
    ...{ type: DAEMON_SETS, name: "kube-ovn-speaker", app: "kube-ovn-speaker" },
    ...{ what: "weft-speaker on nodes with the label ovn.kubernetes.io/bgp=true", optional: true },
  },
  {
    ...{ type: DAEMON_SETS, name: PINGER_COMPONENT, app: PINGER_COMPONENT },
    ...{ what: "weft-pinger, which probes the network from a pod of each node", optional: true },
  },
];

/** The progress of a workload. */
export interface RolloutState {
  readonly done: boolean;
  /** "1 of 2 ready". */
  readonly text: string;
}

/**
 * The progress of the rollout of a Deployment or a DaemonSet, by the rules of `kubectl rollout status`, which refuses DaemonSets whose pods are replaced when
 * they are deleted: of these all pods are available, and the text says how many are old. `mayBeNone`: it may have no pods.
 */
export function rolloutOf(object: KubeObject, mayBeNone = false): RolloutState {
  const status = counters(object.status);
  const observed = status("observedGeneration") >= (object.metadata.generation ?? 0);
  const spec = counters(object.spec);
  const isDeployment = spec("replicas", -1) >= 0;
  const wanted = isDeployment ? spec("replicas") : status("desiredNumberScheduled");
  const updated = isDeployment ? status("updatedReplicas") : status("updatedNumberScheduled");
  const ready = isDeployment ? status("availableReplicas") : status("numberAvailable");
  const old = isDeployment ? status("replicas") - updated : 0;
  const waits = wanted - updated;
  if (observed && waits > 0 && isReplacedOnDeletion(object.spec)) {
    const text = `${Math.min(ready, wanted)} of ${wanted} ready, ${waits} of which get this version when the pod is deleted`;
    return { done: ready >= wanted, text };
  }
  if (!observed) return { done: false, text: "not yet observed by its controller" };
  // A DaemonSet without nodes counts as rolled out in kubectl, but no network runs.
  const done = (wanted > 0 || mayBeNone) && updated >= wanted && ready >= wanted && old <= 0;
  return { done, text: `${Math.min(ready, updated)} of ${wanted} ready` };
}

function isReplacedOnDeletion(spec: unknown): boolean {
  const { updateStrategy } = (spec ?? {}) as { readonly updateStrategy?: { readonly type?: unknown } };
  return updateStrategy?.type === "OnDelete";
}

function counters(part: unknown): (name: string, otherwise?: number) => number {
  const fields = typeof part === "object" && part !== null ? (part as Readonly<Record<string, unknown>>) : {};
  return (name, otherwise = 0) => {
    const value = fields[name];
    return typeof value === "number" ? value : otherwise;
  };
}
