import type { FactReader } from "../facts/store.ts";
import type { IpFact } from "../facts/types.ts";

/** The ordinal at the end of a StatefulSet pod's name, with the set's name before it. */
export function ordinalOf(podName: string): { readonly set: string; readonly ordinal: number } | undefined {
  const match = /^(.+)-(\d+)$/.exec(podName);
  return match?.[1] === undefined ? undefined : { set: match[1], ordinal: Number(match[2]) };
}

/**
 * Whether an address is kept although no pod uses it: a StatefulSet pod's, as long as the set exists and still counts it
 * among its replicas, and a virtual machine's, as long as the machine exists (`ClusterFact` may say that they keep none). A set
 * or machine made anew under an old name is another one. Addresses that a user reserved are never given back and are no business of this.
 */
export function isRetained(reader: FactReader, ip: IpFact): boolean {
  const [namespace = "", podName = ""] = ip.holder.split("/");
  if (ip.podType === "VirtualMachine") {
    if (reader.get("cluster", "cluster")?.keepVmIp === false) return false;
    const machine = reader.get("machines", ip.holder);
    return machine !== undefined && !machine.deleting && isSame(ip, machine.uid);
  }
  if (ip.podType !== "StatefulSet") return false;
  const place = ordinalOf(podName);
  if (place === undefined) return false;
  const set = reader.get("statefulSets", `${namespace}/${place.set}`);
  if (set === undefined || set.deleting || !isSame(ip, set.uid)) return false;
  return place.ordinal >= set.start && place.ordinal < set.start + set.replicas;
}

/** Records of Kube-OVN do not say whose they are: the name has to do. */
function isSame(ip: IpFact, uid: string): boolean {
  return ip.ownerUid === "" || ip.ownerUid === uid;
}
