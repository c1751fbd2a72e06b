// SPDX-License-Identifier: Apache-2.0

import { hash } from "node:crypto";
import { ADDRESS_CONDITION, CHASSIS_CONDITION, NETWORKS_CONDITION, SERVICES_CONDITION } from "../api/names.ts";
import { parseIp } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import { judgeAnnotations, POD_RULES } from "./annotation-rules.ts";
import { ourAnnotations, type ProjectedMeta } from "./meta.ts";
import type { NamespaceFact } from "./namespace.ts";
import type { NodeFact } from "./node.ts";
import type { NamedPortFact, PodFact } from "./pod.ts";
import { projectNetworkStatus } from "./project-network-status.ts";
import { projectNetworks } from "./project-networks.ts";

interface ContainerObject {
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
}

/** What {@link projectPod} reads of a Pod. */
export interface PodObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: {
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    readonly containers?: readonly ContainerObject[];
    /** Those with `restartPolicy: Always` are sidecars, so their ports count. */
    readonly initContainers?: readonly (ContainerObject & { readonly restartPolicy?: string })[];
  };
  readonly status?: { readonly phase?: string };
}

/** The fact of a pod; none for a pod on the host's network. `keepVmIp`: see {@link ClusterFact}. */
export function projectPod(pod: PodObject, keepVmIp = true): PodFact | undefined {
  if (pod.spec?.hostNetwork === true) return undefined;
  const { name, namespace = "default", uid, ownerReferences = [] } = pod.metadata;
  const owner = ownerReferences.find((reference) => reference.controller === true);
  // A VirtualMachineInstance has the name of its VirtualMachine.
  const machine = ownerReferences.find(
    ({ kind, apiVersion = "" }) =>
      keepVmIp && kind === "VirtualMachineInstance" && apiVersion.startsWith("kubevirt.io/"),
  );
  const phase = pod.status?.phase;
  const ports = namedPorts(pod.spec);
  const { annotations, invalidAnnotations } = judgeAnnotations(ourAnnotations(pod.metadata), POD_RULES);
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    uid,
    ...(pod.spec?.nodeName ? { node: pod.spec.nodeName } : {}),
    alive: phase !== "Succeeded" && phase !== "Failed",
    holder: `${namespace}/${machine?.name ?? name}`,
    ...(machine && { created: pod.metadata.creationTimestamp ?? "" }),
    labels: pod.metadata.labels ?? {},
    ports,
    profile: profileKey(namespace, pod.metadata.labels ?? {}, ports),
    annotations,
    ...(invalidAnnotations.length > 0 && { invalidAnnotations }),
    ...projectNetworks(pod.metadata),
    ...projectNetworkStatus(pod.metadata),
    ...(owner === undefined ? {} : { owner: { kind: owner.kind, name: owner.name, uid: owner.uid } }),
  };
}

function namedPorts(spec: PodObject["spec"]): readonly NamedPortFact[] {
  const sidecars = (spec?.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  const found = new Map<string, NamedPortFact>();
  for (const container of [...(spec?.containers ?? []), ...sidecars]) {
    for (const { name, containerPort: number, protocol = "TCP" } of container.ports ?? []) {
      if (name) found.set(`${protocol}/${name}/${number}`, { name, protocol, number });
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, port]) => port);
}

/** The key of a profile: a digest, because there are many pods, perhaps with many labels. */
function profileKey(
  namespace: string,
  labels: Readonly<Record<string, string>>,
  ports: readonly NamedPortFact[],
): string {
  const sorted = Object.keys(labels)
    .sort()
    .map((key) => [key, labels[key]]);
  const named = ports.map(({ name, protocol, number }) => [name, protocol, number]);
  return hash("sha1", JSON.stringify([namespace, sorted, named]), "base64url");
}

/** What {@link projectNode} reads of a Node. */
export interface NodeObject {
  readonly metadata: ProjectedMeta;
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

/** The fact of a node: the first InternalIP of each family is used. */
export function projectNode(node: NodeObject): NodeFact {
  const internal: { v4?: string; v6?: string } = {};
  const addresses = new Set<string>();
  for (const { type, address } of node.status?.addresses ?? []) {
    // They include host names.
    const ip = parseIp(address);
    if (ip !== undefined) addresses.add(ip.text);
    if (type !== "InternalIP") continue;
    if (ip?.family === 4) internal.v4 ??= ip.text;
    if (ip?.family === 6) internal.v6 ??= ip.text;
  }
  const { name, uid, creationTimestamp = "" } = node.metadata;
  const problemOf = (condition: string): { reason: string; message: string } | undefined => {
    const found = node.status?.conditions?.find(({ type }) => type === condition);
    return found && { reason: found.reason ?? "", message: found.message ?? "" };
  };
  const [addressProblem, chassisProblem] = [problemOf(ADDRESS_CONDITION), problemOf(CHASSIS_CONDITION)];
  const [networksProblem, servicesProblem] = [problemOf(NETWORKS_CONDITION), problemOf(SERVICES_CONDITION)];
  return {
    key: name,
    name,
    uid,
    created: creationTimestamp,
    ...(addressProblem && { addressProblem }),
    ...(chassisProblem && { chassisProblem }),
    ...(networksProblem && { networksProblem }),
    ...(servicesProblem && { servicesProblem }),
    internal: internal satisfies Dual<string>,
    ready: !(node.status?.conditions ?? []).some(({ type, status }) => type === "Ready" && status !== "True"),
    addresses: [...addresses].sort(),
    labels: node.metadata.labels ?? {},
    annotations: ourAnnotations(node.metadata),
  };
}

/** The fact of a namespace. */
export function projectNamespace(namespace: { readonly metadata: ProjectedMeta }): NamespaceFact {
  const { name, uid, labels = {} } = namespace.metadata;
  return { key: name, name, uid, labels, annotations: ourAnnotations(namespace.metadata) };
}
