// SPDX-License-Identifier: Apache-2.0

import { PRIMARY_INTERFACE, portOf } from "../../claims/pod-interfaces.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import type { Allocator } from "./allocator.ts";

/** The progress of the address of a pod's own interface, for logs. */
export function addressState(facts: FactReader, allocator: Allocator, pod: PodFact): string {
  const name = portOf(pod, PRIMARY_INTERFACE.provider);
  if (allocator.isRecording(name)) return "decided and being recorded";
  const ip = facts.get("ips", name);
  if (ip === undefined) return allocator.isReported(pod, PRIMARY_INTERFACE.provider) ? "refused" : "not decided";
  if (ip.deleting) return "the IP object of a former owner is being deleted";
  if (facts.get("addressConflicts", name) !== undefined) return "its IP object is in conflict with another one";
  return ip.podUid === "" || ip.podUid === pod.uid ? "recorded" : `recorded for pod ${ip.podUid}`;
}
