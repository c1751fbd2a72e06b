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
import { findOrphans, judgeByPod, type PortIds, type StaleLink } from "./find-orphans.ts";
import type { HostEnd, PodLinks } from "./pod-links.ts";
import { type PodMark, podAlias } from "./pod-mark.ts";
import type { NodePod } from "./pods.ts";

/** The part of the pod informer that the collector uses. */
interface Pods {
  readonly synced: boolean;
  get(key: string): NodePod | undefined;
  values(): IterableIterator<NodePod>;
}

/** Dependencies of {@link collectOrphans}. */
export interface CollectorDependencies {
  readonly ports: Ports;
  readonly links: PodLinks;
  readonly lanes: Lanes;
  readonly pods: Pods;
  /** The pod's present state in the API server. Rejects if it cannot be read. */
  readPod(namespace: string, name: string): Promise<NodePod | undefined>;
  /** Ports that are being restored. */
  readonly lost: Pick<LostPorts, "names" | "expect">;
  readonly metrics: Pick<DaemonMetrics, "collected">;
  readonly log: { info(fields: object, message: string): void };
}

/**
 * Runs one collection: removes orphaned ports and links; marks interfaces that an earlier version created; registers
 * ports that were lost while no daemon ran, so that they are restored.
 * @returns whether there are such ports.
 */
export async function collectOrphans(deps: CollectorDependencies): Promise<boolean> {
  const ends = await deps.links.hostEnds();
  const orphans = findOrphans({
    ports: deps.ports.all(),
    ends,
    busy: busyNames(deps),
    podsKnown: deps.pods.synced,
    uidsOf: (namespace, name) => deps.pods.get(`${namespace}/${name}`)?.uids,
    idsOf: (mark) => idsOf(deps.pods, mark),
  });
  for (const { port, why } of orphans.ports) {
    if (why !== "no interface" && !(await isDeleted(deps, port))) continue;
    await removePort(deps, port);
    deps.metrics.collected("port");
    deps.log.info({ port: port.name, ifaceId: port.externalIds[EXTERNAL_ID.ifaceId], why }, "removed an orphaned port");
  }
  for (const { name, why, mark } of orphans.links) {
    // The link was removed with its port, or a new request uses it meanwhile.
    if (deps.ports.byName(name) !== undefined || !(await deps.links.exists(name))) continue;
    if (busyNames(deps).has(name)) continue;
    if (why === "no pod" && !(await isGone(deps, mark))) continue;
    await deps.links.removePair(name);
    deps.metrics.collected("link");
    deps.log.info({ link: name, why }, "removed an orphaned interface");
  }
  await markEnds(deps, ends);
  for (const { name, ids } of orphans.portless) deps.lost.expect(name, ids);
  return orphans.portless.length > 0;
}

function busyNames(deps: CollectorDependencies): ReadonlySet<string> {
  return new Set([...[...deps.lanes.keys()].map(linkOf), ...deps.lost.names()]);
}

/** The `external_ids` for the port of a pod's interface. */
function idsOf(pods: Pods, mark: PodMark): PortIds | "unclear" | undefined {
  const pod = [...pods.values()].find(({ uids }) => uids.includes(mark.uid));
  if (pod === undefined) return mark.pod === undefined ? "unclear" : undefined;
  let state: AllocationState;
  try {
    state = readAllocation(pod, { ...mark, ipamOnly: false, routes: [] });
  } catch {
    // ADD reports it as an error; the pod keeps its port.
    return "unclear";
  }
  return state.state === "ready" ? portIds(pod, state.allocation, mark) : "unclear";
}

/**
 * Marks Weft's interfaces without an alias: an earlier version created them, or another program removed the alias.
 * Their ports name the pods.
 */
async function markEnds(deps: CollectorDependencies, ends: readonly HostEnd[]): Promise<void> {
  for (const { name, isOurs, isUnfinished, isForeign } of ends) {
    const port = (isOurs && !isUnfinished) || isForeign ? undefined : deps.ports.byName(name);
    if (port === undefined) continue;
    const { [EXTERNAL_ID.podNamespace]: namespace = "", [EXTERNAL_ID.podName]: pod = "" } = port.externalIds;
    await deps.links.mark(name, podAlias(markOfPort(port), namespace, pod));
  }
}

/**
 * The list of pods may be out of date and lack a running pod; a removed port would not be restored, so the API server
 * is asked.
 */
async function isDeleted(deps: CollectorDependencies, port: PodPort): Promise<boolean> {
  const ids = port.externalIds;
  const pod = await deps.readPod(ids[EXTERNAL_ID.podNamespace] ?? "", ids[EXTERNAL_ID.podName] ?? "");
  const why = judgeByPod(port, { podsKnown: true, uidsOf: () => pod?.uids });
  if (why === undefined)
    deps.log.info({ port: port.name }, "the pod of a port exists although the list did not have it; the port is kept");
  return why !== undefined;
}

async function isGone(deps: CollectorDependencies, mark: StaleLink["mark"]): Promise<boolean> {
  const [namespace = "", name = ""] = mark?.pod?.split("/") ?? [];
  const pod = await deps.readPod(namespace, name);
  return pod?.uids.includes(mark?.uid ?? "") !== true;
}

/** After the attachment's earlier jobs, if it is known, so that a new request is not disturbed. */
async function removePort(deps: CollectorDependencies, port: PodPort): Promise<void> {
  const containerId = port.externalIds[EXTERNAL_ID.containerId];
  const ifName = port.externalIds[EXTERNAL_ID.ifName] ?? "eth0";
  if (containerId === undefined) {
    await deps.ports.detach([port.portUuid]);
    await deps.links.removePair(port.name);
    return;
  }
  await deps.lanes.run(attachmentKey({ containerId, ifName }), "del", () =>
    deleteAttachment(deps, { containerId, ifName }),
  );
}

function linkOf(key: string): string {
  const slash = key.lastIndexOf("/");
  return hostLinkName(key.slice(0, slash), key.slice(slash + 1));
}
