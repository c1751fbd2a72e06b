// SPDX-License-Identifier: Apache-2.0

import type { IpFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";

/** The ordinal at the end of a StatefulSet pod's name, with the set's name before it. */
export function ordinalOf(podName: string): { readonly set: string; readonly ordinal: number } | undefined {
  const match = /^(.+)-(\d+)$/.exec(podName);
  return match?.[1] === undefined ? undefined : { set: match[1], ordinal: Number(match[2]) };
}

/**
 * Whether an address is kept although no pod uses it (if not, `podUnit` in `src/compile/pod/pod.ts` releases it): a StatefulSet pod's, as long as the set exists and the pod is one of its replicas, and a
 * virtual machine's, as long as the machine exists (unless `ClusterFact` disables it). The owner is identified by name, not by UID: one that is
 * recreated while its pods exist (`kubectl delete --cascade=orphan`), restored from a backup, or replaced to change an immutable field has the
 * addresses of the earlier one, unless they have been released by then. A pod of it with another request does not take over such an address. A record
 * without the kind of its pod may be of an orphaned pod that the set has adopted while no controller led (as after a backup was restored): it counts
 * by its name. Addresses that a user reserved are never released and are not considered here.
 */
export function isRetained(reader: FactReader, ip: IpFact): boolean {
  const [namespace = "", podName = ""] = ip.holder.split("/");
  if (ip.podType === "VirtualMachine") {
    if (reader.get("cluster", "cluster")?.keepVmIp === false) return false;
    const machine = reader.get("virtualMachines", ip.holder);
    return machine !== undefined && !machine.deleting;
  }
  const place = ordinalOf(podName);
  if (place === undefined) return false;
  const set = reader.get("statefulSets", `${namespace}/${place.set}`);
  if (set === undefined || set.deleting) return false;
  return place.ordinal >= set.start && place.ordinal < set.start + set.replicas;
}

/** Whether the API server must be asked before an address is released: a StatefulSet or virtual machine may keep it, and informers lag. */
export function mayBeKept({ holder, podType }: IpFact): boolean {
  return podType !== "" || ordinalOf(holder.split("/")[1] ?? "") !== undefined;
}

/** Kube-OVN's mark (`IP.spec.podType`) on addresses that outlive their pod; "" if no owner of the pod keeps them. */
export function podTypeOf({ holder, key, owner }: PodFact): "" | "StatefulSet" | "VirtualMachine" {
  if (holder !== key) return "VirtualMachine";
  return owner?.kind === "StatefulSet" ? "StatefulSet" : "";
}
