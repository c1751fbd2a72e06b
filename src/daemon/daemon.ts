import type { Logger } from "pino";
import { CONTROLLER_COMPONENT, DAEMON_COMPONENT } from "../api/names.ts";
import type { Kube } from "../kube/kube.ts";
import { eventRecorder } from "../kube/recorder.ts";
import { NODES } from "../kube/resources.ts";
import type { NodeKernel } from "../node/kernel.ts";
import type { Nftables } from "../node/nftables.ts";
import type { OvsdbClient } from "../ovsdb/client.ts";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { DEFAULT_INSTALLED_MS } from "./cni/add.ts";
import { DEFAULT_ALLOCATION_DEADLINES } from "./cni/await-allocation.ts";
import { explainByEvents } from "./cni/explain.ts";
import { Journal } from "./cni/journal.ts";
import { Lanes } from "./cni/lanes.ts";
import { Publication } from "./cni/publication.ts";
import { cniVerbs, type VerbWorld } from "./cni/verbs.ts";
import { Gateway } from "./gateway/gateway.ts";
import { annotateChassis, nodeInformer, setNetworkAvailable } from "./gateway/node.ts";
import { subnetInformer } from "./gateway/subnets.ts";
import { DaemonMetrics } from "./metrics.ts";
import type { DaemonOptions } from "./options.ts";
import { OvsPorts } from "./ovs/ovs-ports.ts";
import { OvsView } from "./ovs/ovs-view.ts";
import type { PodLinks } from "./pods/pod-links.ts";
import { PodUpkeep } from "./pods/pod-upkeep.ts";
import { podInformer, readPod } from "./pods/pods.ts";
import { RepairReport } from "./repair-report.ts";
import { type DaemonSurface, nodeSurface } from "./surface.ts";

/** How long requests that run may go on after SIGTERM; kubelet kills after 30 s. */
const DRAIN_MS = 20_000;

/** The world, as the daemon touches it; a test's is in memory. */
export interface DaemonParts {
  readonly kube: Kube;
  /** The local Open vSwitch database. */
  readonly ovsdb: OvsdbClient;
  readonly links: PodLinks;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  /** See {@link import("./pods/lost-links.ts").watchLostLinks}. */
  watchLostLinks(onLost: (name: string | undefined) => void): { close(): void };
  /** The machine's where it is not given. */
  readonly clock?: Clock;
  /** That of {@link nodeSurface} where it is not given. */
  readonly surface?: DaemonSurface;
  /** Without it, metrics of this process are among them. */
  readonly metrics?: DaemonMetrics;
}

/** The part of a logger that is used here. */
export type DaemonLog = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** A daemon that runs. */
export interface Daemon {
  /** Finishes what runs, takes back what does not finish in time, lets go of everything. What pods have stays. */
  stop(): Promise<void>;
}

/**
 * Wires the daemon together over the world's parts and starts it. Rejects where it cannot start at all; what may pass is
 * waited for. The parts stay the caller's to close.
 */
export async function startDaemon(options: DaemonOptions, parts: DaemonParts, log: DaemonLog): Promise<Daemon> {
  const { kube, links, clock = SYSTEM_CLOCK, surface = nodeSurface(options) } = parts;
  const { metrics = new DaemonMetrics(options.nodeName) } = parts;
  const { pods, nodes, subnets, events } = follow(options, kube, clock, log);
  const view = new OvsView(parts.ovsdb);
  const [ports, lanes, journal] = [new OvsPorts(view), new Lanes(), new Journal(metrics, log, 1_000, clock.wall)];
  const report = new RepairReport({
    ...{ metrics, log, now: () => clock.now() },
    event(reason, message) {
      const uid = nodes.get(options.nodeName)?.uid;
      const node = { type: NODES, name: options.nodeName, ...(uid !== undefined && { uid }) };
      events.record(node, "Warning", reason, message);
    },
  });
  const gateway = new Gateway({
    ...{ view, nodes, subnets, report, clock, log, kernel: parts.kernel, nft: parts.nft },
    ...{ node: options.nodeName, joinSubnet: options.nodeSwitch, nodePorts: options.nodePorts, mtu: options.mtu },
    ovsSettings: () => surface.ovsSettings(),
    annotateChassis: (chassis) => annotateChassis(kube, options.nodeName, chassis),
    setNetworkAvailable: () => setNetworkAvailable(kube, options.nodeName, clock.wall()),
    onState: () => publication.trigger(),
  });
  const upkeep = new PodUpkeep({
    ...{ view, ports, links, lanes, pods, metrics, report, clock, log },
    readPod: (namespace, name) => readPod(kube, namespace, name),
    watchLostLinks: (onLost) => parts.watchLostLinks(onLost),
  });
  const notReady = (): string | undefined => {
    if (!view.synced) return "Open vSwitch's database on this node is not connected";
    if (!pods.synced) return "this node's pods have not been read from the API server";
    return gateway.notReady;
  };
  const publication = new Publication({ options, surface, metrics, report, clock, log, notReady });

  const stopping = new AbortController();
  const world: VerbWorld = {
    ...{ pods, ports, links, lanes, journal, clock, notReady, stopping: stopping.signal },
    mtuOf: (subnet) => {
      const contract = subnets.get(subnet)?.contract;
      return (typeof contract === "object" && contract.mtu) || gateway.mtu;
    },
    explain: explainByEvents(kube, CONTROLLER_COMPONENT),
    deadlines: { ...DEFAULT_ALLOCATION_DEADLINES, installedMs: DEFAULT_INSTALLED_MS },
    onLeftover: (hostName, failures) => {
      log.error({ hostName, failures }, "a failed ADD could not be taken back; collecting");
      upkeep.collect();
    },
  };
  const cni = await surface.serveCni(cniVerbs(world));
  const pages = { "/debug/adds": (query: URLSearchParams) => journal.entries(query.get("verb") ?? undefined) };
  const http = await surface.serveAdmin({ registry: metrics.registry, notReady, pages });

  view.mirror.onSyncedChange(() => publication.trigger());
  pods.whenSynced().then(
    () => publication.trigger(),
    () => undefined,
  );
  for (const part of [publication, upkeep, pods, nodes, subnets, gateway]) part.start();
  log.info({ socket: options.bindSocket }, "weft-daemon serves");

  return {
    async stop() {
      const reason = new Error("weft-daemon is shutting down");
      stopping.abort(reason);
      await drain(cni.drain(), lanes, reason, clock);
      cni.close();
      await Promise.all([upkeep, publication, gateway].map((part) => part.stop()));
      await events.stop();
      http.close();
      await Promise.all([pods, nodes, subnets].map((informer) => informer.stop()));
      view.mirror.close();
    },
  };
}

/** What the daemon follows of the API server, and how it speaks there. */
function follow(options: DaemonOptions, kube: Kube, clock: Clock, log: DaemonLog) {
  const onError = (error: unknown, context: string): void => log.warn({ err: error }, context);
  const time = { clock, random: clock.random };
  return {
    pods: podInformer(kube, options.nodeName, onError, time),
    nodes: nodeInformer(kube, options.nodeName, log, onError, time),
    subnets: subnetInformer(kube, log, onError, time),
    events: eventRecorder(kube, {
      ...{ component: DAEMON_COMPONENT, host: options.nodeName },
      ...time,
      onError: (error) => onError(error, "an Event could not be written"),
    }),
  };
}

/** Waits for requests that run; those that do not end in time are stopped and taken back. */
async function drain(drained: Promise<void>, lanes: Lanes, reason: Error, clock: Clock): Promise<void> {
  const cancel = clock.after(DRAIN_MS, () => lanes.abortAll(reason));
  try {
    await drained;
  } finally {
    cancel();
  }
}
