// SPDX-License-Identifier: Apache-2.0

/** The parts of a cluster that faults hit, and what the words of a task may call them. */
export const CLUSTER_PARTS = {
  daemon: { shown: "weft-daemon", perNode: true, roles: [], also: ["weft-daemon", "cni"] },
  controller: { shown: "weft-controller", perNode: false, roles: ["leader", "standby"], also: ["weft-controller"] },
  speaker: { shown: "weft-speaker", perNode: true, roles: [], also: ["weft-speaker"] },
  bird: { shown: "BIRD", perNode: true, roles: [], also: [] },
  "ovn-controller": { shown: "ovn-controller", perNode: true, roles: [], also: [] },
  vswitchd: { shown: "ovs-vswitchd", perNode: true, roles: [], also: ["ovs-vswitchd"] },
  "ovsdb-server": { shown: "a node's ovsdb-server", perNode: true, roles: [], also: [] },
  northd: { shown: "ovn-northd", perNode: false, roles: ["leader", "standby"], also: ["ovn-northd"] },
  nb: { shown: "the northbound database", perNode: false, roles: ["leader", "follower"], also: ["ovn-nb"] },
  sb: { shown: "the southbound database", perNode: false, roles: ["leader", "follower"], also: ["ovn-sb"] },
  etcd: { shown: "etcd", perNode: false, roles: [], also: [] },
  apiserver: { shown: "kube-apiserver", perNode: false, roles: [], also: ["kube-apiserver"] },
  "controller-manager": { shown: "kube-controller-manager", perNode: false, roles: [], also: [] },
  scheduler: { shown: "kube-scheduler", perNode: false, roles: [], also: [] },
  kubelet: { shown: "kubelet", perNode: true, roles: [], also: [] },
  containerd: { shown: "containerd", perNode: true, roles: [], also: [] },
} as const satisfies Readonly<Record<string, PartDescription>>;

interface PartDescription {
  readonly shown: string;
  /** Whether there is one on each node. */
  readonly perNode: boolean;
  readonly roles: readonly PartRole[];
  /** Other names. */
  readonly also: readonly string[];
}

/** A part's role among several of its kind. */
export type PartRole = "leader" | "standby" | "follower";

/** The name of a part. */
export type PartName = keyof typeof CLUSTER_PARTS;

/** A part, and the role in which one is meant. */
export interface ClusterPart {
  readonly name: PartName;
  readonly role?: PartRole;
}

/** Whether a text is a part's own name. */
export function isPartName(text: string): text is PartName {
  return Object.hasOwn(CLUSTER_PARTS, text);
}

/** The part that a word of a task means. */
export function partNamed(word: string): PartName | undefined {
  for (const name of Object.keys(CLUSTER_PARTS)) {
    if (!isPartName(name)) continue;
    if (word === name || CLUSTER_PARTS[name].also.some((other) => other === word)) return name;
  }
  return undefined;
}

/** All names, for messages. */
export function partNames(): readonly string[] {
  return Object.keys(CLUSTER_PARTS);
}
