// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR, type CniAttachment } from "../../api/cni-message.ts";
import { hostLinkName } from "../../node/link-names.ts";
import { EXTERNAL_ID, type Ports } from "../ovs/ports.ts";
import type { PodLinks } from "../pods/pod-links.ts";
import { isOfProvider } from "./attachment.ts";
import { CniError } from "./cni-error.ts";
import type { GcRequest, PodRequest } from "./request.ts";

/** What removing works with. */
export interface DeleteDependencies {
  readonly ports: Ports;
  readonly links: PodLinks;
}

/**
 * CNI SPEC 1.1 DEL: removes what ADD made for one interface of one container. Needs neither the pod nor its namespace nor the
 * result of ADD, and succeeds when there is nothing to remove. An interface of that name that belongs to another network is not removed.
 * @param attachment without a provider, whichever network's interface it is.
 *
 * The port goes first: a port whose interface is gone makes ovs-vswitchd log errors until it is removed.
 */
export async function deleteAttachment(
  world: DeleteDependencies,
  attachment: Pick<PodRequest, "containerId" | "ifName"> & { readonly provider?: string },
): Promise<void> {
  const { containerId, ifName, provider } = attachment;
  const hostName = hostLinkName(containerId, ifName);
  const known = world.ports.ofContainer(containerId, ifName);
  // A port that an earlier version made carries no container id, but its name comes from it.
  const named = world.ports.byName(hostName);
  const others = named !== undefined && isOther(named.externalIds, containerId);
  const all = named === undefined || others ? known : [...known, named];
  const ports = provider === undefined ? all : all.filter((port) => isOfProvider(port, provider));
  const spared = new Set(all.filter((port) => !ports.includes(port)).map((port) => port.name));
  const links = new Set([...(others ? [] : [hostName]), ...ports.map((port) => port.name)]).difference(spared);
  try {
    await world.ports.detach([...new Set(ports.map((port) => port.portUuid))]);
    for (const name of links) await world.links.removePair(name);
  } catch (thrown) {
    throw CniError.from(thrown, `removing the port of container ${containerId}`, CNI_ERROR.tryAgainLater);
  }
}

/** Containers whose ids have a common beginning have the same interface name; the later one has it. */
function isOther(externalIds: Readonly<Record<string, string>>, containerId: string): boolean {
  const owner = externalIds[EXTERNAL_ID.containerId];
  return owner !== undefined && owner !== containerId;
}

/**
 * Attachments of one network that its runtime no longer holds (CNI SPEC 1.1 GC, `cni.dev/valid-attachments`). Pure.
 * Other networks' attachments are in lists of their own: provider and, where two networks have one, the network's name tell them apart.
 */
export function staleAttachments(ports: Ports, { provider, network, valid }: GcRequest): readonly CniAttachment[] {
  const keep = new Set(valid.map(({ containerID, ifname }) => `${containerID}/${ifname}`));
  const stale: CniAttachment[] = [];
  for (const port of ports.all()) {
    const ids = port.externalIds;
    const containerID = ids[EXTERNAL_ID.containerId];
    const ifname = ids[EXTERNAL_ID.ifName];
    // A port without these cannot be assigned to an attachment; the collector decides by its pod.
    if (containerID === undefined || ifname === undefined || keep.has(`${containerID}/${ifname}`)) continue;
    const madeFor = ids[EXTERNAL_ID.network] ?? network;
    if (isOfProvider(port, provider) && madeFor === (network ?? madeFor)) stale.push({ containerID, ifname });
  }
  return stale;
}
