// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR } from "../../api/cni-message.ts";
import { parseIp } from "../../net/address.ts";
import { readAllocation } from "./allocation.ts";
import { isAsked, notKnown, notSynced, type PodSource } from "./await-allocation.ts";
import { CniError } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";

/**
 * The addresses with their prefixes that the controller gives the interface now; undefined where the pod is not known or
 * has none.
 * @throws CniError where an annotation is malformed.
 */
export function allocatedAddresses(pods: PodSource, request: PodRequest): readonly string[] | undefined {
  const pod = pods.get(`${request.podNamespace}/${request.podName}`);
  if (pod === undefined || !isAsked(pod, request)) return undefined;
  const state = readAllocation(pod, request);
  if (state.state !== "ready") return undefined;
  return state.allocation.addresses.map(({ ip, cidr }) => `${ip.text}/${cidr.prefix}`);
}

/**
 * CNI SPEC 1.1 CHECK as another plugin's IPAM: what that plugin was given must be what the pod has. The interface is the other plugin's to check.
 * @throws CniError naming the addresses that differ; 3 where the pod does not exist, 11 while pods are not known.
 */
export function checkAddresses(pods: PodSource, request: PodRequest): void {
  const name = `${request.podNamespace}/${request.podName}`;
  if (!pods.synced) throw notSynced();
  const pod = pods.get(name);
  if (pod === undefined || !isAsked(pod, request)) throw notKnown(name, pod, request);
  const allocated = allocatedAddresses(pods, request);
  const complaint = (why: string): CniError =>
    new CniError(CNI_ERROR.internal, `addresses of pod ${name} from provider ${request.provider}: ${why}`, {
      details: "recreate the pod to set up its network again",
    });
  if (allocated === undefined) throw complaint("the pod has none");
  // Without a list there is nothing to compare with.
  const stated = request.prevResult?.ips?.map(({ address }) => canonical(address));
  const missing =
    stated === undefined ? [] : allocated.filter((address) => !stated.some((has) => sameIp(has, address)));
  if (missing.length > 0)
    throw complaint(`the interface was made with ${stated?.join(", ") || "none"}, not ${missing}`);
}

/** Whether two `address/prefix` are one address. A subnet may have grown since: what was created before keeps the former prefix. */
export function sameIp(a: string, b: string): boolean {
  return a.split("/", 1)[0] === b.split("/", 1)[0];
}

/** `address/prefix` of a result, in the kernel's spelling. */
export function canonical(address: string): string {
  const [ip = "", prefix = ""] = address.split("/");
  return `${parseIp(ip)?.text ?? ip}/${prefix}`;
}
