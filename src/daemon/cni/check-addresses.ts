// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR } from "../../api/cni-message.ts";
import { parseIp } from "../../net/address.ts";
import { readAllocation } from "./allocation.ts";
import { isRequestedPod, notSynced, type PodSource, podUnknown } from "./await-allocation.ts";
import { CniError } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";

/**
 * The addresses with prefix that are currently allocated to the interface; undefined if the pod is not known or has
 * none.
 * @throws CniError if an annotation is malformed.
 */
export function allocatedAddresses(pods: PodSource, request: PodRequest): readonly string[] | undefined {
  const pod = pods.get(`${request.podNamespace}/${request.podName}`);
  if (pod === undefined || !isRequestedPod(pod, request)) return undefined;
  const state = readAllocation(pod, request);
  if (state.state !== "ready") return undefined;
  return state.allocation.addresses.map(({ ip, cidr }) => `${ip.text}/${cidr.prefix}`);
}

/**
 * Implements CNI SPEC 1.1 CHECK when Weft is another plugin's IPAM: the addresses that the plugin was given must be
 * those of the pod. The other plugin checks the interface.
 * @throws CniError naming the addresses that differ; 3 if the pod does not exist, 11 while the list of pods is
 * incomplete.
 */
export function checkAddresses(pods: PodSource, request: PodRequest): void {
  const name = `${request.podNamespace}/${request.podName}`;
  if (!pods.synced) throw notSynced();
  const pod = pods.get(name);
  if (pod === undefined || !isRequestedPod(pod, request)) throw podUnknown(name, pod, request);
  const allocated = allocatedAddresses(pods, request);
  const complaint = (why: string): CniError =>
    new CniError(CNI_ERROR.internal, `addresses of pod ${name} from provider ${request.provider}: ${why}`, {
      details: "recreate the pod to set up its network again",
    });
  if (allocated === undefined) throw complaint("the pod has none");
  // Without a previous result there is nothing to compare.
  const stated = request.prevResult?.ips?.map(({ address }) => canonical(address));
  const missing =
    stated === undefined ? [] : allocated.filter((address) => !stated.some((has) => sameIp(has, address)));
  if (missing.length > 0)
    throw complaint(`the interface was made with ${stated?.join(", ") || "none"}, not ${missing}`);
}

/**
 * Whether two `address/prefix` are the same address. A subnet may have grown since: existing interfaces keep the
 * former prefix.
 */
export function sameIp(a: string, b: string): boolean {
  return a.split("/", 1)[0] === b.split("/", 1)[0];
}

/** `address/prefix` of a result, in the kernel's spelling. */
export function canonical(address: string): string {
  const [ip = "", prefix = ""] = address.split("/");
  return `${parseIp(ip)?.text ?? ip}/${prefix}`;
}
