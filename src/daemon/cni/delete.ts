// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR, type CniAttachment } from "../../api/cni-message.ts";
import { hostLinkName } from "../../node/link-names.ts";
import { EXTERNAL_ID, type Ports } from "../ovs/ports.ts";
import type { PodLinks } from "../pods/pod-links.ts";
import { isOfProvider } from "./attachment.ts";
import { CniError } from "./cni-error.ts";
import type { GcRequest, PodRequest } from "./request.ts";

/** Dependencies of {@link deleteAttachment}. */
export interface DeleteDependencies {
  readonly ports: Ports;
  readonly links: PodLinks;
}

/**
 * Implements CNI SPEC 1.1 DEL: removes what ADD created for one interface of one container. It needs neither the pod,
 * nor its namespace, nor the result of ADD, and succeeds if there is nothing to remove. An interface of that name
 * that belongs to another network is not removed.
 * @param attachment without a provider: the interface of any network.
 *
 * The port is removed first: ovs-vswitchd logs errors for a port without interface until it is removed.
 */
export async function deleteAttachment(
  deps: DeleteDependencies,
  attachment: Pick<PodRequest, "containerId" | "ifName"> & { readonly provider?: string },
): Promise<void> {
  const { containerId, ifName, provider } = attachment;
  const hostName = hostLinkName(containerId, ifName);
  const known = deps.ports.ofContainer(containerId, ifName);
  // A port that an earlier version created has no container id, but its name is derived from it.
  const named = deps.ports.byName(hostName);
  const others = named !== undefined && isOther(named.externalIds, containerId);
  const all = named === undefined || others ? known : [...known, named];
  const ports = provider === undefined ? all : all.filter((port) => isOfProvider(port, provider));
  const spared = new Set(all.filter((port) => !ports.includes(port)).map((port) => port.name));
  const links = new Set([...(others ? [] : [hostName]), ...ports.map((port) => port.name)]).difference(spared);
  try {
    await deps.ports.detach([...new Set(ports.map((port) => port.portUuid))]);
    for (const name of links) await deps.links.removePair(name);
  } catch (thrown) {
    throw CniError.from(thrown, `removing the port of container ${containerId}`, CNI_ERROR.tryAgainLater);
  }
}

/** Containers whose ids have a common prefix have the same interface name; it belongs to the later one. */
function isOther(externalIds: Readonly<Record<string, string>>, containerId: string): boolean {
  const owner = externalIds[EXTERNAL_ID.containerId];
  return owner !== undefined && owner !== containerId;
}

/**
 * Attachments of one network that its runtime no longer lists (CNI SPEC 1.1 GC, `cni.dev/valid-attachments`). Pure.
 * Other networks' attachments are in other lists; the provider and, if two networks have the same provider, the
 * network's name distinguish them.
 */
export function staleAttachments(ports: Ports, { provider, network, valid }: GcRequest): readonly CniAttachment[] {
  const keep = new Set(valid.map(({ containerID, ifname }) => `${containerID}/${ifname}`));
  const stale: CniAttachment[] = [];
  for (const port of ports.all()) {
    const ids = port.externalIds;
    const containerID = ids[EXTERNAL_ID.containerId];
    const ifname = ids[EXTERNAL_ID.ifName];
    // A port without these ids cannot be assigned to an attachment; the collector decides by its pod.
    if (containerID === undefined || ifname === undefined || keep.has(`${containerID}/${ifname}`)) continue;
    const madeFor = ids[EXTERNAL_ID.network] ?? network;
    if (isOfProvider(port, provider) && madeFor === (network ?? madeFor)) stale.push({ containerID, ifname });
  }
  return stale;
}
