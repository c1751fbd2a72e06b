import { CNI_ERROR, type CniAttachment } from "../api/cni-message.ts";
import { podPortName } from "../api/names.ts";
import { CniError } from "./cni-error.ts";
import { hostLinkName } from "./link-names.ts";
import type { PodLinks } from "./pod-links.ts";
import { EXTERNAL_ID, type Ports } from "./ports.ts";
import type { GcRequest } from "./request.ts";

/** What removing works with. */
export interface DeleteWorld {
  readonly ports: Ports;
  readonly links: PodLinks;
}

/**
 * CNI SPEC 1.1 DEL: removes what ADD made for one interface of one container. Needs neither the pod nor its namespace nor the
 * result of ADD, and is content when there is nothing (any more).
 *
 * The port goes first: a port whose interface is gone makes ovs-vswitchd complain until it is removed.
 */
export async function deleteAttachment(world: DeleteWorld, containerId: string, ifName: string): Promise<void> {
  const hostName = hostLinkName(containerId, ifName);
  const known = world.ports.ofContainer(containerId, ifName);
  // A port that an earlier version made carries no container id, but its name comes from it.
  const named = world.ports.byName(hostName);
  const others = named !== undefined && isOther(named.externalIds, containerId);
  const ports = named === undefined || others ? known : [...known, named];
  const links = new Set([...(others ? [] : [hostName]), ...ports.map((port) => port.name)]);
  try {
    await world.ports.detach([...new Set(ports.map((port) => port.portUuid))]);
    for (const name of links) await world.links.removePair(name);
  } catch (thrown) {
    throw CniError.from(thrown, `removing the port of container ${containerId}`, CNI_ERROR.tryAgainLater);
  }
}

/** Two containers whose ids begin alike have the same interface name; the later one has it. */
function isOther(externalIds: Readonly<Record<string, string>>, containerId: string): boolean {
  const owner = externalIds[EXTERNAL_ID.containerId];
  return owner !== undefined && owner !== containerId;
}

/**
 * Attachments of one network that its runtime no longer holds (CNI SPEC 1.1 GC, `cni.dev/valid-attachments`). Pure.
 * Other networks' attachments are in lists of their own: the provider, which is part of the logical port's name, tells them apart.
 */
export function staleAttachments(ports: Ports, { provider, valid }: GcRequest): readonly CniAttachment[] {
  const keep = new Set(valid.map(({ containerID, ifname }) => `${containerID}/${ifname}`));
  const stale: CniAttachment[] = [];
  for (const { externalIds: ids } of ports.all()) {
    const containerID = ids[EXTERNAL_ID.containerId];
    const ifname = ids[EXTERNAL_ID.ifName];
    // A port without these is not known to be anybody's attachment; the collection judges it by its pod.
    if (containerID === undefined || ifname === undefined) continue;
    const owner = ids[EXTERNAL_ID.machine] ?? ids[EXTERNAL_ID.podName] ?? "";
    const name = podPortName(owner, ids[EXTERNAL_ID.podNamespace] ?? "", provider);
    if (ids[EXTERNAL_ID.ifaceId] === name && !keep.has(`${containerID}/${ifname}`)) stale.push({ containerID, ifname });
  }
  return stale;
}
