// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../../api/annotations.ts";
import { VENDOR } from "../../api/names.ts";
import { podPortName } from "../../api/port-names.ts";
import type { Allocation } from "../cni/allocation.ts";
import { isOfProvider } from "../cni/attachment.ts";
import type { PodMark } from "../pods/pod-mark.ts";
import type { NodePod } from "../pods/pods.ts";
import { EXTERNAL_ID, type PodPort } from "./ports.ts";

/** The `external_ids` of a pod's interface, which connect the port to its attachment. */
export function portIds(
  pod: Pick<NodePod, "name" | "namespace">,
  allocation: Pick<Allocation, "machine" | "provider" | "addresses">,
  mark: Omit<PodMark, "pod">,
): Readonly<Record<string, string>> {
  const { machine, provider, addresses } = allocation;
  return {
    [EXTERNAL_ID.ifaceId]: podPortName(machine ?? pod.name, pod.namespace, provider),
    ...(machine !== undefined && { [EXTERNAL_ID.machine]: machine }),
    [EXTERNAL_ID.vendor]: VENDOR,
    [EXTERNAL_ID.podName]: pod.name,
    [EXTERNAL_ID.podNamespace]: pod.namespace,
    ...(mark.netns !== undefined && { [EXTERNAL_ID.podNetns]: mark.netns }),
    ...(addresses.length > 0 && { [EXTERNAL_ID.ip]: addresses.map(({ ip }) => ip.text).join(",") }),
    [EXTERNAL_ID.podUid]: mark.uid,
    [EXTERNAL_ID.containerId]: mark.containerId,
    [EXTERNAL_ID.ifName]: mark.ifName,
    ...(mark.network !== undefined && { [EXTERNAL_ID.network]: mark.network }),
  };
}

/**
 * The mark for a port's link, if an earlier version created the link without it; undefined if the port's ids are not
 * sufficient.
 */
export function markOfPort(port: Pick<PodPort, "externalIds">): Omit<PodMark, "pod"> | undefined {
  const ids = port.externalIds;
  const [uid, containerId] = [ids[EXTERNAL_ID.podUid], ids[EXTERNAL_ID.containerId]];
  const [ifName, network, netns] = [ids[EXTERNAL_ID.ifName], ids[EXTERNAL_ID.network], ids[EXTERNAL_ID.podNetns]];
  if (!uid || !containerId || !ifName) return undefined;
  const own = `${ids[EXTERNAL_ID.machine] ?? ids[EXTERNAL_ID.podName] ?? ""}.${ids[EXTERNAL_ID.podNamespace] ?? ""}`;
  const further = (ids[EXTERNAL_ID.ifaceId] ?? "").slice(own.length + 1);
  const ofInterface = `.${ifName}`;
  const candidates = [
    OVN_PROVIDER,
    further.endsWith(ofInterface) ? further.slice(0, -ofInterface.length) : further,
    further,
  ];
  const provider = candidates.find((candidate) => candidate !== "" && isOfProvider(port, candidate));
  if (provider === undefined) return undefined;
  return {
    ...{ uid, containerId, ifName, provider },
    ...(network !== undefined && { network }),
    ...(netns !== undefined && { netns }),
  };
}
