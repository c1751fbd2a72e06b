import type { Logger } from "pino";
import { CONTROLLER_COMPONENT, DAEMON_COMPONENT } from "../api/names.ts";
import type { Kube } from "../kube/kube.ts";
import { eventRecorder } from "../kube/recorder.ts";
import { NODES } from "../kube/resources.ts";
import type { NodeKernel } from "../node/kernel.ts";
import type { Nftables } from "../node/nftables.ts";
import type { OvsdbClient } from "../ovsdb/client.ts";
import { DEFAULT_INSTALLED_MS } from "./add.ts";
import { DEFAULT_ALLOCATION_DEADLINES } from "./await-allocation.ts";
import { type DaemonClock, kubeClock, MACHINE_CLOCK } from "./clock.ts";
import { collectLeftovers } from "./collector.ts";
import { conflist } from "./conflist.ts";
import { explainByEvents } from "./explain.ts";
import { Gateway } from "./gateway.ts";
import { Journal } from "./journal.ts";
import { Lanes } from "./lanes.ts";
import { LostPorts } from "./lost-ports.ts";
import { DaemonMetrics } from "./metrics.ts";
import { annotateChassis, nodeInformer, setNetworkAvailable } from "./node.ts";
import type { DaemonOptions } from "./options.ts";
import { OvsPorts } from "./ovs-ports.ts";
import { type OvsChange, OvsView } from "./ovs-view.ts";
import type { PodLinks } from "./pod-links.ts";
import { podInformer, readPod } from "./pods.ts";
import { ReconcileLoop } from "./reconcile-loop.ts";
import { RepairReport } from "./repair-report.ts";
import { subnetInformer } from "./subnets.ts";
import { type DaemonSurface, nodeSurface } from "./surface.ts";
import { cniVerbs, type VerbWorld } from "./verbs.ts";

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
  /** See {@link import("./lost-links.ts").watchLostLinks}. */
  watchLostLinks(onLost: (name: string | undefined) => void): { close(): void };
  /** The machine's where it is not given. */
  readonly clock?: DaemonClock;
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
  const onError = (error: unknown, context: string): void => log.warn({ err: error }, context);
  const { kube, links, clock = MACHINE_CLOCK, surface = nodeSurface(options) } = parts;
  const { metrics = new DaemonMetrics(options.nodeName) } = parts;
  const time = { clock: kubeClock(clock), random: clock.random };
  const view = new OvsView(parts.ovsdb);
  const pods = podInformer(kube, options.nodeName, onError, time);
  const nodes = nodeInformer(kube, options.nodeName, log, onError, time);
  const subnets = subnetInformer(kube, log, onError, time);

  const ports = new OvsPorts(view);
  const lanes = new Lanes();
  const journal = new Journal(metrics, log, 1_000, clock.wall);
  const events = eventRecorder(kube, {
    component: DAEMON_COMPONENT,
    host: options.nodeName,
    ...time,
    onError: (error) => onError(error, "an Event could not be written"),
  });
  const report = new RepairReport({
    metrics,
    log,
    now: () => clock.now(),
    event(reason, message) {
      const uid = nodes.get(options.nodeName)?.uid;
      const node = { type: NODES, name: options.nodeName, ...(uid !== undefined && { uid }) };
      events.record(node, "Warning", reason, message);
    },
  });
  const lostPorts = new LostPorts({ view, ports, links, lanes, pods, clock });
  const restoring = new ReconcileLoop(
    async () => restoring.backOff(report.note(await lostPorts.restore())),
    (error, retryMs) => log.warn({ err: error, retryMs }, "ports that another program removed could not be put back"),
    {},
    clock,
  );
  const gateway = new Gateway({
    node: options.nodeName,
    joinSubnet: options.nodeSwitch,
    nodePorts: options.nodePorts,
    mtu: options.mtu,
    view,
    kernel: parts.kernel,
    nft: parts.nft,
    nodes,
    subnets,
    report,
    ovsSettings: () => surface.ovsSettings(),
    clock,
    log,
    annotateChassis: (chassis) => annotateChassis(kube, options.nodeName, chassis),
    setNetworkAvailable: () => setNetworkAvailable(kube, options.nodeName, new Date(clock.wall())),
    onState: () => publication.trigger(),
  });

  const collection = new ReconcileLoop(
    async () => {
      if (view.synced && view.bridge() !== undefined) {
        const parts = { ports, links, lanes, pods, lost: lostPorts, metrics, log };
        const isLost = await collectLeftovers({
          ...parts,
          readPod: (namespace, name) => readPod(kube, namespace, name),
        });
        if (isLost) restoring.trigger();
      }
    },
    (error, retryMs) => log.warn({ err: error, retryMs }, "leftovers could not be removed"),
    {},
    clock,
  );
  const notReady = (): string | undefined => {
    if (!view.synced) return "Open vSwitch's database on this node is not connected";
    if (!pods.synced) return "this node's pods have not been read from the API server";
    return gateway.notReady;
  };
  /** What was written; the file stays when the daemon goes, as do the pods' networks. */
  let published: string | undefined;
  const publication = new ReconcileLoop(
    async () => {
      const reason = notReady();
      metrics.ready = reason === undefined;
      if (published !== undefined) {
        if (!(await surface.ensureConflist(published))) return;
        publication.backOff(report.note([`conflist ${options.cniConfName}`]));
        return;
      }
      if (reason !== undefined) return;
      // From now on the runtime calls the shim.
      const text = conflist(options.bindSocket, await surface.portmapVersions());
      await surface.writeConflist(text);
      published = text;
      log.info({ file: options.cniConfName }, "ready: the runtime may set up pods");
    },
    (error, retryMs) => log.warn({ err: error, retryMs }, "the network configuration could not be written"),
    {},
    clock,
  );

  const stopping = new AbortController();
  const world: VerbWorld = {
    pods,
    ports,
    links,
    lanes,
    journal,
    mtuOf: (subnet) => {
      const contract = subnets.get(subnet)?.contract;
      return (typeof contract === "object" && contract.mtu) || gateway.mtu;
    },
    explain: explainByEvents(kube, CONTROLLER_COMPONENT),
    deadlines: { ...DEFAULT_ALLOCATION_DEADLINES, installedMs: DEFAULT_INSTALLED_MS },
    stopping: stopping.signal,
    clock,
    onLeftover: (hostName, failures) => {
      log.error({ hostName, failures }, "a failed ADD could not be taken back; collecting");
      collection.trigger();
    },
    notReady,
  };
  const cni = await surface.serveCni(cniVerbs(world));
  const http = await surface.serveAdmin({
    registry: metrics.registry,
    notReady,
    pages: { "/debug/adds": (query) => journal.entries(query.get("verb") ?? undefined) },
  });

  const watched = surface.watchConflist(
    () => publication.trigger(),
    (error) => log.warn({ err: error }, "the folder of network configurations cannot be watched"),
  );
  view.mirror.subscribe((changes) => {
    if (changes.some(isBroken)) collection.trigger();
    if (lostPorts.note(changes)) restoring.trigger();
  });
  const lost = parts.watchLostLinks((name) => {
    // DEL takes the port before the interface, so that its own work is no loss.
    if (name === undefined || ports.byName(name) !== undefined) collection.trigger();
  });
  view.mirror.onSyncedChange(() => {
    publication.trigger();
    collection.trigger();
  });
  pods.whenSynced().then(
    () => {
      publication.trigger();
      collection.trigger();
    },
    () => undefined,
  );
  for (const informer of [pods, nodes, subnets]) informer.start();
  gateway.start();
  log.info({ socket: options.bindSocket }, "weft-daemon serves");

  return {
    async stop() {
      const reason = new Error("weft-daemon is shutting down");
      stopping.abort(reason);
      await drain(cni.drain(), lanes, reason, clock);
      cni.close();
      lost.close();
      watched.close();
      await Promise.all([collection.stop(), publication.stop(), restoring.stop(), gateway.stop()]);
      await events.stop();
      http.close();
      await Promise.all([pods.stop(), nodes.stop(), subnets.stop()]);
      view.mirror.close();
    },
  };
}

/** Waits for requests that run; those that do not end in time are stopped and taken back. */
async function drain(drained: Promise<void>, lanes: Lanes, reason: Error, clock: DaemonClock): Promise<void> {
  const cancel = clock.after(DRAIN_MS, () => lanes.abortAll(reason));
  try {
    await drained;
  } finally {
    cancel();
  }
}

/** ovs-vswitchd has lost an interface: its namespace was removed and nobody may ask for the port to be. */
function isBroken(change: OvsChange): boolean {
  return change.table === "Interface" && Boolean(change.new?.error) && change.old?.error !== change.new?.error;
}
