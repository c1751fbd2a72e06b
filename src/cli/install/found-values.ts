// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { DEPLOYMENTS, NODES, SERVICE_CIDRS } from "../../kube/resources.ts";
import type { Values } from "./helm-run.ts";

interface ServiceCidr extends KubeObject {
  readonly spec?: { readonly cidrs?: readonly string[] };
}

/**
 * The ranges of Services' addresses, IPv4 and IPv6, from ServiceCIDR `kubernetes` since Kubernetes 1.33; undefined if
 * the API server does not report them.
 */
export async function serviceRanges(kube: Kube): Promise<{ readonly v4?: string; readonly v6?: string } | undefined> {
  try {
    const { spec } = await kube.get<ServiceCidr>(SERVICE_CIDRS, { name: "kubernetes" });
    const cidrs = spec?.cidrs ?? [];
    const v4 = cidrs.find((cidr) => !cidr.includes(":"));
    const v6 = cidrs.find((cidr) => cidr.includes(":"));
    return { ...(v4 === undefined ? {} : { v4 }), ...(v6 === undefined ? {} : { v6 }) };
  } catch (error) {
    if (error instanceof KubeError && (error.code === "not-found" || error.code === "forbidden")) return undefined;
    throw error;
  }
}

interface Replicated extends KubeObject {
  readonly spec?: { readonly replicas?: number };
}

/** The label of the control plane's nodes. */
const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";

/**
 * The wanted number of replicas of ovn-central: the present number, for an existing release; else three if the
 * control plane has three nodes, which the chart then finds.
 */
async function centralReplicas(kube: Kube, namespace: string): Promise<number> {
  try {
    return (await kube.get<Replicated>(DEPLOYMENTS, { namespace, name: "ovn-central" })).spec?.replicas ?? 1;
  } catch (error) {
    if (!(error instanceof KubeError && (error.code === "not-found" || error.code === "forbidden"))) throw error;
    // An account that may not read this cannot install either.
    if (error.code === "forbidden") return 1;
  }
  const { items } = await kube.list(NODES, { labelSelector: CONTROL_PLANE });
  return items.length >= 3 ? 3 : 1;
}

/**
 * Values of the chart that are derived from the cluster: families and ranges of Services, and replicas of
 * ovn-central. The user's values have priority. `namespace`: of the release.
 */
export async function findValues(kube: Kube, namespace: string): Promise<Values> {
  const [ranges, replicas] = await Promise.all([serviceRanges(kube), centralReplicas(kube, namespace)]);
  const central = replicas === 3 || replicas === 5 ? { central: { replicas } } : {};
  if (ranges === undefined) return central;
  const { v4, v6 } = ranges;
  const family = v4 === undefined ? "ipv6" : v6 === undefined ? "ipv4" : "dual";
  return {
    ...central,
    ipFamily: family,
    ...(v4 === undefined ? {} : { ipv4: { SVC_CIDR: v4 } }),
    ...(v6 === undefined ? {} : { ipv6: { SVC_CIDR: v6 } }),
  };
}
