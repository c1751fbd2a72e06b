// SPDX-License-Identifier: Apache-2.0

import { CONTROLLER_COMPONENT } from "../api/names.ts";
import { uplinkMtu } from "../contract/uplinks.ts";
import { logLevelPage } from "../telemetry/log-level.ts";
import type { Clock } from "../time/clock.ts";
import { DEFAULT_INSTALLED_MS } from "./cni/add.ts";
import { DEFAULT_ALLOCATION_DEADLINES } from "./cni/await-allocation.ts";
import { explainByEvents } from "./cni/explain-by-events.ts";
import { Journal } from "./cni/journal.ts";
import type { Lanes } from "./cni/lanes.ts";
import { type NodeMtus, podMtu } from "./cni/pod-mtu.ts";
import { cniVerbs, type VerbDependencies } from "./cni/verbs.ts";
import { type Components, makeComponents } from "./components.ts";
import { type DaemonConnections, type DaemonContext, type DaemonLog, daemonContext } from "./context.ts";
import type { DaemonOptions } from "./options.ts";
import { renewCachedFlows } from "./ovs/renew-flows.ts";
import { makeWatches, type Watches } from "./watches.ts";

/** How long running requests may continue after SIGTERM; kubelet kills the process after 30 s. */
const DRAIN_MS = 20_000;

/** A running daemon. */
export interface Daemon {
  /**
   * Finishes running requests, rolls back those that do not finish in time, and closes everything. The pods' network
   * stays.
   */
  stop(): Promise<void>;
}

/**
 * Creates the daemon's components on the connections and starts them. Rejects if the daemon cannot start at all;
 * temporary conditions are waited for. The caller closes the connections.
 */
export async function startDaemon(
  options: DaemonOptions,
  connections: DaemonConnections,
  log: DaemonLog,
): Promise<Daemon> {
  const context = daemonContext(options, connections, log);
  const watches = makeWatches(context);
  const components = makeComponents(context, watches);
  const { view, lanes, gateway, encaps, qosRows, staleFlows, tunnels, upkeep, probes, publication, certificate } =
    components;
  const { pods, nodes, subnets, services, events } = watches;
  const { clock, hostIo } = context;

  context.metrics.countUnbound(() => view.podPorts().filter(({ installed }) => !installed).length);
  const stopping = new AbortController();
  const journal = new Journal(context.metrics, log, 1_000, clock.wall);
  const cni = await hostIo.serveCni(cniVerbs(verbDependencies(context, watches, components, journal, stopping.signal)));
  const level = connections.logger && logLevelPage(connections.logger);
  const http = await hostIo.serveAdmin({
    registry: context.metrics.registry,
    notReady: components.notReady,
    pages: {
      ...level?.pages,
      "/debug/adds": (query) => journal.entries(query.get("verb") ?? undefined),
      "/debug/flows": (query) => components.flows.page(Number(query.get("since")) || 0),
    },
    ...(level && { actions: level.actions }),
  });

  view.mirror.onSyncedChange(() => publication.trigger());
  view.mirror.subscribe(() => certificate?.noteChassis());
  pods.whenSynced().then(
    () => publication.trigger(),
    () => undefined,
  );
  components.serviceHealth?.start();
  certificate?.start();
  // A certificate of an earlier process is used although the API server does not answer.
  components.flowServer?.trigger();
  for (const part of [publication, upkeep, encaps, qosRows, tunnels, pods, nodes, subnets, services, gateway, probes])
    part.start();
  const { mirror, uplinks, flows } = components;
  for (const part of [staleFlows, watches.staleFlows, mirror, uplinks, flows]) part.start();
  log.info({ socket: options.bindSocket }, "serving CNI requests");

  return {
    async stop() {
      const reason = new Error("weft-daemon is shutting down");
      stopping.abort(reason);
      await drain(cni.drain(), lanes, reason, clock);
      cni.close();
      await Promise.all(
        [upkeep, encaps, qosRows, staleFlows, tunnels, publication, gateway, probes].map((part) => part.stop()),
      );
      await Promise.all([components.serviceHealth?.stop(), certificate?.stop(), mirror.stop(), flows.stop()]);
      await components.flowServer?.stop();
      await uplinks.stop();
      await events.stop();
      http.close();
      await Promise.all([pods, nodes, subnets, services, watches.staleFlows].map((each) => each.stop()));
      view.mirror.close();
    },
  };
}

/** The dependencies of the CNI verbs. */
function verbDependencies(
  { options, connections, clock, hostIo, log }: DaemonContext,
  { pods, subnets, nodes }: Watches,
  { ports, lanes, gateway, encaps, upkeep, notReady }: Components,
  journal: Journal,
  stopping: AbortSignal,
): VerbDependencies {
  const mtus: NodeMtus = {
    get mtu() {
      return gateway.mtu;
    },
    plane: (network) => gateway.plane(network),
    uplink: (network) => uplinkMtu(nodes.get(options.nodeName)?.uplinks, network),
  };
  return {
    ...{ pods, ports, lanes, journal, clock, notReady, stopping, links: connections.links },
    mtuOf: (subnet) => podMtu(subnets.get(subnet)?.contract, options.mtu, mtus),
    encapOf: (subnet) => encaps.encapOf(subnet),
    whenTunnelsKnown: (signal) => gateway.whenTunnelsKnown(signal),
    nonPrimary: options.nonPrimary,
    renewFlows: () => renewCachedFlows(hostIo.control),
    explain: explainByEvents(connections.kube, CONTROLLER_COMPONENT),
    deadlines: { ...DEFAULT_ALLOCATION_DEADLINES, installedMs: DEFAULT_INSTALLED_MS },
    onOrphaned: (hostName, failures) => {
      log.error({ hostName, failures }, "failed to roll back an ADD; collecting orphaned interfaces");
      upkeep.collect();
    },
  };
}

/** Waits for running requests; those that do not finish in time are aborted and rolled back. */
async function drain(drained: Promise<void>, lanes: Lanes, reason: Error, clock: Clock): Promise<void> {
  const cancel = clock.after(DRAIN_MS, () => lanes.abortAll(reason));
  try {
    await drained;
  } finally {
    cancel();
  }
}
