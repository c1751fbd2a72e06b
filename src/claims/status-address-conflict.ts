// SPDX-License-Identifier: Apache-2.0

import type { AddressConflictFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";

/**
 * The other holder of addresses in an object's status, for example of a copied object; `undefined` if there is none. An address that a pod has from
 * the object (`takes`) is not a conflict, nor is one that a deleted pod is about to release. The message is IPAM's (`addressInUse` in
 * `src/ipam/refusal-messages.ts`), kept by `src/controller/allocation/lease-registry.ts`.
 */
export function addressConflictOf(
  reader: FactReader,
  owner: string,
  takes: (pod: PodFact) => boolean = () => false,
): AddressConflictFact | undefined {
  const conflict = reader.get("addressConflicts", owner);
  if (conflict?.holder === undefined || conflict.holder.includes("/")) return conflict;
  const ip = reader.get("ips", conflict.holder);
  // The pod's record is not written yet.
  if (ip === undefined) return undefined;
  if (ip.reserved || ip.holder.startsWith("node:")) return conflict;
  const pods = reader.by("pods", "holder", ip.holder);
  return pods.length === 0 || pods.some(takes) ? undefined : conflict;
}
