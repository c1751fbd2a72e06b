// SPDX-License-Identifier: Apache-2.0

import { podAnnotation } from "../api/annotations.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import type { Refusal } from "../ipam/refusal.ts";
import { parseIp } from "../net/address.ts";

/** The refusal of an entry of the `ip_pool` list of a pod's interface, naming the other workload whose list contains it as well, if there is one. */
export function namingOtherList(facts: FactReader, pod: PodFact, provider: string, refusal: Refusal): Refusal {
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
