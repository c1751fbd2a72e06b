// SPDX-License-Identifier: Apache-2.0

import { podAnnotation } from "../api/annotations.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import type { Refusal } from "../ipam/refusal.ts";
import { parseIp } from "../net/address.ts";

/**
 * Completes the refusal of a requested address (decided by `checkRequestedAddresses` in `src/ipam/requested-address.ts`): if the address is an entry of the
 * pod's `ip_pool` list, and of another workload's list too, the message names that workload.
 */
export function addOtherWorkload(facts: FactReader, pod: PodFact, provider: string, refusal: Refusal): Refusal {
  const { code, value, holder } = refusal;
  if (code !== "AddressInUse" || value === undefined || holder === undefined || !lists(pod, provider, value))
    return refusal;
  const record = facts.get("ips", holder);
  const owner = facts
    .by("pods", "holder", record?.holder ?? "")
    .find((other) => other.owner?.uid !== pod.owner?.uid && lists(other, record?.provider ?? "", value))?.owner;
  if (owner === undefined) return refusal;
  const message = `${refusal.message} It is also in ip_pool of ${owner.kind} "${owner.name}": list it in one of them only, or set ip_pool of both to the name of one IPPool.`;
  return { ...refusal, message };
}

function lists({ annotations }: PodFact, provider: string, address: string): boolean {
  const entries = (annotations[podAnnotation(provider, "ip_pool")] ?? "").split(/[;,\s]+/);
  return entries.some((entry) => parseIp(entry)?.text === address);
}
