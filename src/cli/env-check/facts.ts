// SPDX-License-Identifier: Apache-2.0

import type { KubeConnection } from "../../kube/connect.ts";
import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { type LeaseView, readLease } from "../../kube/published-lease.ts";
import { CONFIG_MAPS, CRDS, DAEMON_SETS, NODES, type ResourceType } from "../../kube/resources.ts";
import { type Deployed, readDeployed } from "../install/deployed.ts";
import { serviceRanges } from "../install/found-values.ts";

/** A node according to the API server. */
export interface NodeFacts {
  readonly name: string;
  readonly os: string;
  readonly architecture: string;
  readonly kernel: string;
  readonly osImage: string;
  /** "containerd://1.7.27". */
  readonly runtime: string;
  readonly kubelet: string;
  /**
   * False: kubelet has stopped reporting (condition Ready is Unknown). A node without a network is not Ready, but
   * reports.
   */
  readonly reports: boolean;
  readonly internalIps: readonly string[];
  /** The ranges that the controller manager has assigned to it, if it does so. */
  readonly podCidrs: readonly string[];
}

/** The API server's data about the cluster, before evaluation. */
export interface ClusterFacts {
  readonly version: string;
  readonly nodes: readonly NodeFacts[];
  /** `namespace/name` of each DaemonSet, with the images of its containers. */
  readonly daemonSets: readonly { readonly name: string; readonly images: readonly string[] }[];
  /** Names of all CRDs. */
  readonly crds: readonly string[];
  /** kube-proxy's mode in its ConfigMap ("" is its default); undefined if there is none. */
  readonly proxyMode: string | undefined;
  /** Of Services; undefined if the API server does not report them. */
  readonly serviceRanges: { readonly v4?: string; readonly v6?: string } | undefined;
  readonly admissionPolicies: boolean;
  /** The installed Weft. */
  readonly deployed: Deployed | undefined;
  /** The leader in kube-system according to Lease kube-ovn-controller. */
  readonly lease: LeaseView | undefined;
}

const ADMISSION_POLICIES: ResourceType = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  plural: "validatingadmissionpolicies",
  namespaced: false,
  kind: "ValidatingAdmissionPolicy",
};

interface Node extends KubeObject {
  readonly spec?: { readonly podCIDRs?: readonly string[] };
  readonly status?: {
    readonly nodeInfo?: Readonly<Record<string, string>>;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
  };
}

interface DaemonSet extends KubeObject {
  readonly spec?: {
    readonly template?: { readonly spec?: { readonly containers?: readonly { readonly image?: string }[] } };
  };
}

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Reads the data. Writes nothing. Rejects with a KubeError. */
export async function readFacts(
  { kube, version }: Pick<KubeConnection, "kube" | "version">,
  namespace: string,
): Promise<ClusterFacts> {
  const [serverVersion, nodes, daemonSets, crds, proxyMode, ranges, admissionPolicies, deployed, lease] =
    await Promise.all([
      version(),
      listed<Node, NodeFacts>(kube, NODES, nodeFacts),
      listed<DaemonSet, ClusterFacts["daemonSets"][number]>(kube, DAEMON_SETS, ({ metadata, spec }) => ({
        name: `${metadata.namespace}/${metadata.name}`,
        images: (spec?.template?.spec?.containers ?? []).flatMap(({ image }) => image ?? []),
      })),
      listed(kube, CRDS, ({ metadata }) => metadata.name),
      readProxyMode(kube),
      serviceRanges(kube),
      isServed(kube, ADMISSION_POLICIES),
      readDeployed(kube, namespace),
      readLease(kube, { namespace, name: "kube-ovn-controller" }),
    ]);
  return {
    version: serverVersion,
    nodes,
    daemonSets,
    crds,
    proxyMode,
    serviceRanges: ranges,
    admissionPolicies,
    deployed,
    lease,
  };
}

function nodeFacts({ metadata, spec, status = {} }: Node): NodeFacts {
  const info = status.nodeInfo ?? {};
  return {
    name: metadata.name,
    os: info["operatingSystem"] ?? "",
    architecture: info["architecture"] ?? "",
    kernel: info["kernelVersion"] ?? "",
    osImage: info["osImage"] ?? "",
    runtime: info["containerRuntimeVersion"] ?? "",
    kubelet: info["kubeletVersion"] ?? "",
    reports: !(status.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "Unknown"),
    internalIps: (status.addresses ?? []).filter(({ type }) => type === "InternalIP").map(({ address }) => address),
    podCidrs: spec?.podCIDRs ?? [],
  };
}

async function listed<T extends KubeObject, R>(kube: Kube, type: ResourceType, pick: (object: T) => R): Promise<R[]> {
  const all: R[] = [];
  for await (const object of listEach<T>(kube, type)) all.push(pick(object));
  return all;
}

async function readProxyMode(kube: Kube): Promise<string | undefined> {
  try {
    const { data } = await kube.get<ConfigMap>(CONFIG_MAPS, { namespace: "kube-system", name: "kube-proxy" });
    // kubeadm's name of the file; its content is a KubeProxyConfiguration in YAML.
    return /^mode:[ \t]*"?(\w*)"?/m.exec(data?.["config.conf"] ?? "")?.[1] ?? "";
  } catch (error) {
    if (error instanceof KubeError && (error.code === "not-found" || error.code === "forbidden")) return undefined;
    throw error;
  }
}

async function isServed(kube: Kube, type: ResourceType): Promise<boolean> {
  try {
    await kube.list(type, { limit: 1 });
    return true;
  } catch (error) {
    if (error instanceof KubeError && error.code === "not-found") return false;
    // It exists, but this account may not read it.
    if (error instanceof KubeError && error.code === "forbidden") return true;
    throw error;
  }
}
