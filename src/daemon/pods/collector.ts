// SPDX-License-Identifier: Apache-2.0

import { hostLinkName } from "../../node/link-names.ts";
import { type AllocationState, readAllocation } from "../cni/allocation.ts";
import { deleteAttachment } from "../cni/delete.ts";
import type { Lanes } from "../cni/lanes.ts";
import { attachmentKey } from "../cni/request.ts";
import type { DaemonMetrics } from "../metrics.ts";
import type { LostPorts } from "../ovs/lost-ports.ts";
import { markOfPort, portIds } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PodPort, type Ports } from "../ovs/ports.ts";
import { findOrphans, judgeByPod, type PortIds, type StaleLink } from "./collect.ts";
import type { HostEnd, PodLinks } from "./pod-links.ts";
import { type PodMark, podAlias } from "./pod-mark.ts";
import type { NodePod } from "./pods.ts";

/** The node's pods, as the collection looks at them. */
interface Pods {
  readonly synced: boolean;
  get(key: string): NodePod | undefined;
  values(): IterableIterator<NodePod>;
}

/** What the collector works with. */
export interface CollectorDependencies {
  readonly ports: Ports;
  readonly links: PodLinks;
  readonly lanes: Lanes;
  readonly pods: Pods;
  /** The pod as the API server has it now. Rejects where that cannot be asked. */
  readPod(namespace: string, name: string): Promise<NodePod | undefined>;
  /** Ports that are about to come back. */
  readonly lost: Pick<LostPorts, "names" | "expect">;
  readonly metrics: Pick<DaemonMetrics, "collected">;
  readonly log: { info(fields: object, message: string): void };
}

/**
 * One collection: finds what nobody will ask to be removed any more, and removes it; marks interfaces of ours that an earlier version made; has ports
 * restored that were lost while no daemon was running.
 * @returns whether there are such ports.
 */
export async function collectOrphans(world: CollectorDependencies): Promise<boolean> {
  const ends = await world.links.hostEnds();
  const orphans = findOrphans({
    ports: world.ports.all(),
    ends,
    busy: busyNames(world),
    podsKnown: world.pods.synced,
    uidsOf: (namespace, name) => world.pods.get(`${namespace}/${name}`)?.uids,
    idsOf: (mark) => idsOf(world.pods, mark),
  });
  for (const { port, why } of orphans.ports) {
    if (why !== "no interface" && !(await isLeft(world, port))) continue;
    await removePort(world, port);
    world.metrics.collected("port");
    world.log.info(
      { port: port.name, ifaceId: port.externalIds[EXTERNAL_ID.ifaceId], why },
      "removed an orphaned port",
    );
  }
  for (const { name, why, mark } of orphans.links) {
    // Removing its port has taken it along, or a request has come for it meanwhile.
    if (world.ports.byName(name) !== undefined || !(await world.links.exists(name))) continue;
    if (busyNames(world).has(name)) continue;
    if (why === "no pod" && !(await isGone(world, mark))) continue;
    await world.links.removePair(name);
    world.metrics.collected("link");
    world.log.info({ link: name, why }, "removed an orphaned interface");
  }
  await markEnds(world, ends);
  for (const { name, ids } of orphans.portless) world.lost.expect(name, ids);
  return orphans.portless.length > 0;
}

function busyNames(world: CollectorDependencies): ReadonlySet<string> {
  return new Set([...[...world.lanes.keys()].map(linkOf), ...world.lost.names()]);
}

/** What is to be in the `external_ids` of the port of a pod's interface. */
function idsOf(pods: Pods, mark: PodMark): PortIds | "unclear" | undefined {
  const pod = [...pods.values()].find(({ uids }) => uids.includes(mark.uid));
  if (pod === undefined) return mark.pod === undefined ? "unclear" : undefined;
  let state: AllocationState;
  try {
    state = readAllocation(pod, { ...mark, ipamOnly: false, routes: [] });
  } catch {
    // ADD reports it as an error; the pod keeps what it has.
    return "unclear";
  }
  return state.state === "ready" ? portIds(pod, state.allocation, mark) : "unclear";
}

/** Interfaces of ours without an alias are those that an earlier version made, or of which another program has taken it; their ports name them. */
async function markEnds(world: CollectorDependencies, ends: readonly HostEnd[]): Promise<void> {
  for (const { name, isOurs, isUnfinished, isForeign } of ends) {
    const port = (isOurs && !isUnfinished) || isForeign ? undefined : world.ports.byName(name);
    if (port === undefined) continue;
    const { [EXTERNAL_ID.podNamespace]: namespace = "", [EXTERNAL_ID.podName]: pod = "" } = port.externalIds;
    await world.links.mark(name, podAlias(markOfPort(port), namespace, pod));
  }
}

/** The list of pods may be of an old state, in which a running pod is not yet there: what is taken from it does not come back. */
async function isLeft(world: CollectorDependencies, port: PodPort): Promise<boolean> {
  const ids = port.externalIds;
  const pod = await world.readPod(ids[EXTERNAL_ID.podNamespace] ?? "", ids[EXTERNAL_ID.podName] ?? "");
  const why = judgeByPod(port, { podsKnown: true, uidsOf: () => pod?.uids });
  if (why === undefined)
    world.log.info({ port: port.name }, "the pod of a port exists although the list did not have it; the port is kept");
  return why !== undefined;
}

async function isGone(world: CollectorDependencies, mark: StaleLink["mark"]): Promise<boolean> {
  const [namespace = "", name = ""] = mark?.pod?.split("/") ?? [];
  const pod = await world.readPod(namespace, name);
  return pod?.uids.includes(mark?.uid ?? "") !== true;
}

/** In the attachment's lane where it is known, so that a request that has just come is not disturbed. */
async function removePort(world: CollectorDependencies, port: PodPort): Promise<void> {
  const containerId = port.externalIds[EXTERNAL_ID.containerId];
  const ifName = port.externalIds[EXTERNAL_ID.ifName] ?? "eth0";
  if (containerId === undefined) {
    await world.ports.detach([port.portUuid]);
    await world.links.removePair(port.name);
    return;
  }
  await world.lanes.run(attachmentKey({ containerId, ifName }), "del", () =>
    deleteAttachment(world, { containerId, ifName }),
  );
}

function linkOf(key: string): string {
  const slash = key.lastIndexOf("/");
  return hostLinkName(key.slice(0, slash), key.slice(slash + 1));
}
