// SPDX-License-Identifier: Apache-2.0

import { podAnnotation, SERVICE } from "../api/annotations.ts";
import { isLeftToOthers } from "../api/service-labels.ts";
import { parseIp } from "../net/address.ts";
import { parseDualIp } from "../net/dual.ts";
import { DEFAULT_EXTERNAL_SUBNET } from "./external.ts";
import type { ProjectedMeta } from "./meta.ts";
import type { LoadBalancerFact, ProblemFact } from "./service.ts";

/** The class (`spec.loadBalancerClass`) of Services that ask for an address of an external subnet without an annotation. */
export const LOAD_BALANCER_CLASS = "weft.kubeovn.io/external-subnet";

/** Kube-OVN's default of annotation `attachmentprovider`. */
const DEFAULT_PROVIDER = "lb-svc-attachment.kube-system";

/** Where MetalLB writes from which of its pools it has given the addresses in the status (MetalLB v0.13 and later, controller/service.go). */
const METALLB_POOLS = ["metallb.io/ip-allocated-from-pool", "metallb.universe.tf/ip-allocated-from-pool"];

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
      readonly ingress?:
        | readonly { readonly ip?: string; readonly hostname?: string; readonly ipMode?: string | null }[]
        | null;
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
  const className = spec.loadBalancerClass ?? "";
  const isAsked = spec.type === "LoadBalancer" && !isLeftToOthers(metadata.labels);
  const subnet = isAsked ? askedSubnet(annotations, className) : "";
  const record = annotations[SERVICE.loadBalancer] ?? "";
  if (subnet === "" && record === "") return {};
  const present = (status.loadBalancer?.ingress ?? []).map(
    ({ ip, hostname = "" }) => parseIp(ip ?? "")?.text ?? hostname,
  );
  const exclusive = className === LOAD_BALANCER_CLASS;
  const claimedBy = exclusive ? undefined : METALLB_POOLS.find((name) => (annotations[name] ?? "") !== "");
  const given = claimedBy === undefined ? givenOf(record, present) : undefined;
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
      unrecorded: given === undefined ? present : [],
      ...(claimedBy !== undefined && { claimedBy }),
      ...(record !== "" && present.length === 0 && { removed: true as const }),
      exclusive,
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

/** The text of annotation `SERVICE.loadBalancer`: which addresses of the Service's status Weft has written. */
export function loadBalancerRecord(subnet: string, addresses: readonly string[]): string {
  return `${subnet}/${addresses.join(",")}`;
}

/** The addresses in the status, if all of them are in the record; another implementation may have replaced them. */
function givenOf(record: string, present: readonly string[]): LoadBalancerFact["given"] {
  const [subnet = "", list = ""] = record.split("/");
  const recorded = list.split(",");
  const addresses = parseDualIp(present.join(","));
  if (addresses === undefined || !present.every((address) => recorded.includes(address))) return undefined;
  return { subnet, v4: addresses.v4?.text ?? "", v6: addresses.v6?.text ?? "" };
}
