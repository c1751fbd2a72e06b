// SPDX-License-Identifier: Apache-2.0

import { podAnnotation, SERVICE } from "../api/annotations.ts";
import { parseIp } from "../net/address.ts";
import { parseDualIp } from "../net/dual.ts";
import { DEFAULT_EXTERNAL_SUBNET } from "./external.ts";
import type { ProjectedMeta } from "./meta.ts";
import type { LoadBalancerFact, ProblemFact } from "./service.ts";

/** The class (`spec.loadBalancerClass`) of Services that ask for an address of an external subnet without an annotation. */
export const LOAD_BALANCER_CLASS = "weft.kubeovn.io/external-subnet";

/** Kube-OVN's default of annotation `attachmentprovider`. */
const DEFAULT_PROVIDER = "lb-svc-attachment.kube-system";

/** What {@link loadBalancerOf} reads of a Service. */
export interface LoadBalancerObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: {
    readonly type?: string;
    readonly loadBalancerClass?: string | null;
    readonly loadBalancerIP?: string | null;
    readonly loadBalancerSourceRanges?: readonly string[] | null;
  };
  readonly status?: {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string; readonly ipMode?: string | null }[] | null;
    } | null;
  };
}

/** What a Service asks of Weft as a load balancer, and what it has from it; nothing for a Service of another implementation. */
export function loadBalancerOf(
  { metadata, spec = {}, status = {} }: LoadBalancerObject,
  clusterIps: readonly string[],
  problems: ProblemFact[],
): { readonly loadBalancer?: LoadBalancerFact } {
  const { annotations = {}, resourceVersion: version = "" } = metadata;
  const subnet = spec.type === "LoadBalancer" ? askedSubnet(annotations, spec.loadBalancerClass ?? "") : "";
  const given = givenOf(annotations[SERVICE.loadBalancer], status);
  if (subnet === "" && given === undefined) return {};
  const [first, second] = clusterIps.map((address) => (address.includes(":") ? 6 : 4));
  const asked = spec.loadBalancerIP?.trim() ?? "";
  const wanted = asked === "" ? {} : parseDualIp(asked);
  if (wanted === undefined) {
    const message = `"${asked}" is not an address, or one of each family separated by a comma; any address is given`;
    problems.push({ path: "spec.loadBalancerIP", reason: "InvalidAddress", message });
  }
  return {
    loadBalancer: {
      ...{ version, subnet, v4: wanted?.v4?.text ?? "", v6: wanted?.v6?.text ?? "" },
      ...(first !== undefined && second === undefined && { family: first }),
      ...(given && { given }),
      restricted: (spec.loadBalancerSourceRanges ?? []).length > 0,
    },
  };
}

/** Another class is another implementation's (core/v1 ServiceSpec). Without a class, an annotation asks for a subnet, as in Kube-OVN. */
function askedSubnet(annotations: Readonly<Record<string, string>>, className: string): string {
  if (className !== "" && className !== LOAD_BALANCER_CLASS) return "";
  const provider = annotations[SERVICE.attachmentProvider] || DEFAULT_PROVIDER;
  return (
    annotations[SERVICE.externalIpFromSubnet] ||
    annotations[podAnnotation(provider, "logical_switch")] ||
    (className === LOAD_BALANCER_CLASS ? DEFAULT_EXTERNAL_SUBNET : "")
  );
}

function givenOf(subnet = "", status: NonNullable<LoadBalancerObject["status"]>): LoadBalancerFact["given"] {
  if (subnet === "") return undefined;
  const ips = (status.loadBalancer?.ingress ?? []).flatMap(({ ip = "" }) => parseIp(ip) ?? []);
  const of = (family: 4 | 6): string => ips.find((ip) => ip.family === family)?.text ?? "";
  const [v4, v6] = [of(4), of(6)];
  return v4 === "" && v6 === "" ? undefined : { subnet, v4, v6 };
}
