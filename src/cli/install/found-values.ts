// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { SERVICE_CIDRS } from "../../kube/resources.ts";
import type { Values } from "./helm-run.ts";

interface ServiceCidr extends KubeObject {
  readonly spec?: { readonly cidrs?: readonly string[] };
}

/** The ranges of Services' addresses, IPv4 and IPv6, as ServiceCIDR `kubernetes` has them since Kubernetes 1.33; undefined where the API server does not say. */
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

/** Values of the chart that the cluster itself says: families and ranges of Services. What the user says comes above them. */
export async function findValues(kube: Kube): Promise<Values> {
  const ranges = await serviceRanges(kube);
  if (ranges === undefined) return {};
  const { v4, v6 } = ranges;
  const family = v4 === undefined ? "ipv6" : v6 === undefined ? "ipv4" : "dual";
  return {
    ipFamily: family,
    ...(v4 === undefined ? {} : { ipv4: { SVC_CIDR: v4 } }),
    ...(v6 === undefined ? {} : { ipv6: { SVC_CIDR: v6 } }),
  };
}
