// SPDX-License-Identifier: Apache-2.0

import type { AddressConflictFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";

/**
 * Who else holds the addresses that an object's status names, as in a copy of an object; nothing where nobody does. An address that a pod has from
 * the object (`takes`) is in no dispute, and neither is what a pod that is gone is about to give back.
 */
export function addressConflictOf(
  reader: FactReader,
  owner: string,
  takes: (pod: PodFact) => boolean = () => false,
): AddressConflictFact | undefined {
  const dispute = reader.get("addressConflicts", owner);
  if (dispute?.holder === undefined || dispute.holder.includes("/")) return dispute;
  const ip = reader.get("ips", dispute.holder);
  // A pod's record is about to be written.
  if (ip === undefined) return undefined;
  if (ip.reserved || ip.holder.startsWith("node:")) return dispute;
  const pods = reader.by("pods", "holder", ip.holder);
  return pods.length === 0 || pods.some(takes) ? undefined : dispute;
}
