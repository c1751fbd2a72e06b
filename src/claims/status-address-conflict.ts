// SPDX-License-Identifier: Apache-2.0

import type { AddressConflictFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";

/**
 * The other holder of addresses in an object's status, for example of a copied object; `undefined` if there is none. An address that a pod has from
 * the object (`takes`) is not a conflict, nor is one that a deleted pod is about to release.
 */
export function addressConflictOf(
  reader: FactReader,
  owner: string,
  takes: (pod: PodFact) => boolean = () => false,
): AddressConflictFact | undefined {
  const dispute = reader.get("addressConflicts", owner);
  if (dispute?.holder === undefined || dispute.holder.includes("/")) return dispute;
  const ip = reader.get("ips", dispute.holder);
  // The pod's record is not written yet.
  if (ip === undefined) return undefined;
  if (ip.reserved || ip.holder.startsWith("node:")) return dispute;
  const pods = reader.by("pods", "holder", ip.holder);
  return pods.length === 0 || pods.some(takes) ? undefined : dispute;
}
