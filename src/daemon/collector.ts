import { hostLinkName } from "../node/link-names.ts";
import { findLeftovers, judgeByPod } from "./collect.ts";
import { deleteAttachment } from "./delete.ts";
import type { Lanes } from "./lanes.ts";
import type { DaemonMetrics } from "./metrics.ts";
import type { PodLinks } from "./pod-links.ts";
import type { PodFact } from "./pods.ts";
import { EXTERNAL_ID, type PodPort, type Ports } from "./ports.ts";
import { attachmentKey } from "./request.ts";

/** What the collector works with. */
export interface CollectorWorld {
  readonly ports: Ports;
  readonly links: PodLinks;
  readonly lanes: Lanes;
  readonly pods: { readonly synced: boolean; get(key: string): PodFact | undefined };
  /** The pod as the API server has it now. Rejects where that cannot be asked. */
  readPod(namespace: string, name: string): Promise<PodFact | undefined>;
  /** Names of ports that are about to come back. */
  readonly lost: { names(): Iterable<string> };
  readonly metrics: Pick<DaemonMetrics, "collected">;
  readonly log: { info(fields: object, message: string): void };
}

/** One collection: finds what nobody will ask to be removed any more, and removes it. */
export async function collectLeftovers(world: CollectorWorld): Promise<void> {
  const veths = await world.links.vethNames();
  const leftovers = findLeftovers({
    ports: world.ports.all(),
    veths,
    busy: new Set([...[...world.lanes.keys()].map(linkOf), ...world.lost.names()]),
    podsKnown: world.pods.synced,
    uidsOf: (namespace, name) => world.pods.get(`${namespace}/${name}`)?.uids,
  });
  for (const { port, why } of leftovers.ports) {
    if (why !== "no interface" && !(await isLeft(world, port))) continue;
    await removePort(world, port);
    world.metrics.collected("port");
    world.log.info({ port: port.name, ifaceId: port.externalIds[EXTERNAL_ID.ifaceId], why }, "removed a leftover port");
  }
  for (const name of leftovers.links) {
    // Removing its port has taken it along, or a request has come for it meanwhile.
    if (world.ports.byName(name) !== undefined || !(await world.links.exists(name))) continue;
    if ([...[...world.lanes.keys()].map(linkOf), ...world.lost.names()].includes(name)) continue;
    await world.links.removePair(name);
    world.metrics.collected("link");
    world.log.info({ link: name }, "removed a leftover interface");
  }
}

/** The list of pods may be of an old state, in which a running pod is not yet there: what is taken from it does not come back. */
async function isLeft(world: CollectorWorld, port: PodPort): Promise<boolean> {
  const ids = port.externalIds;
  const pod = await world.readPod(ids[EXTERNAL_ID.podNamespace] ?? "", ids[EXTERNAL_ID.podName] ?? "");
  const why = judgeByPod(port, { podsKnown: true, uidsOf: () => pod?.uids });
  if (why === undefined) world.log.info({ port: port.name }, "the pod of a port is there although it was not listed");
  return why !== undefined;
}

/** In the attachment's lane where it is known, so that a request that has just come is not disturbed. */
async function removePort(world: CollectorWorld, port: PodPort): Promise<void> {
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
