// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, POD } from "../../api/annotations.ts";
import { CNI_ERROR, type CniResponse } from "../../api/cni-message.ts";
import { decodePodQos } from "../../contract/qos-record.ts";
import { pause, untilAborted } from "../../kube/abort.ts";
import { hostLinkName } from "../../node/link-names.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import { portIds } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PortSpec, type Ports } from "../ovs/ports.ts";
import type { PodLink, PodLinks } from "../pods/pod-links.ts";
import { type PodMark, podAlias } from "../pods/pod-mark.ts";
import type { NodePod } from "../pods/pods.ts";
import { withinBudget } from "./add-deadlines.ts";
import type { Allocation } from "./allocation.ts";
import { refuseConfusion } from "./attachment.ts";
import {
  type AllocationDeadlines,
  awaitAllocation,
  type Explain,
  type FoundAllocation,
  type PodSource,
} from "./await-allocation.ts";
import { CniError } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";
import { type StartedDependencies, whenStarted } from "./starting.ts";
import type { Stopwatch } from "./stopwatch.ts";
import { Undo } from "./undo.ts";
import { secondsText, withDeadline } from "./with-deadline.ts";

/** The dependencies of ADD. */
export interface AddDependencies extends StartedDependencies {
  readonly pods: PodSource;
  readonly ports: Ports;
  readonly links: PodLinks;
  /** MTU of pods of a subnet in bytes, see `podMtu`; 0 if no interface has the tunnel address. */
  mtuOf(subnet: string): number;
  /**
   * The tunnel address of this node for pods of a subnet; undefined for the default address. @throws CniError 11 if
   * the node does not have the subnet's network.
   */
  encapOf(subnet: string): string | undefined;
  /** Resolves when cached flows that have no OpenFlow flow any more are removed: a migration's target must not answer by them. */
  renewFlows(): Promise<void>;
  readonly explain: Explain;
  readonly deadlines: AllocationDeadlines & { readonly installedMs: number };
  /**
   * Fires when the daemon shuts down: an ADD that has created nothing yet is aborted, others may continue for a
   * while.
   */
  readonly stopping: AbortSignal;
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /** Another network plugin creates pods' primary interfaces. */
  readonly nonPrimary?: boolean;
  /** Something could not be rolled back; the collector must remove it. */
  onOrphaned(hostName: string, failures: readonly { readonly what: string; readonly error: unknown }[]): void;
}

/** How long Open vSwitch's database may take to accept a port, and ovn-controller to install its flows: each so long, and all within the request's budget. */
export const DEFAULT_INSTALLED_MS = 30_000;

/** Between two attempts to write to a database that is there and does not accept it, as where its disk is full: nothing says when that ends. */
const REFUSED_MS = 500;

/**
 * Implements CNI SPEC 1.1 ADD for one interface of a pod. If it fails or `signal` fires, everything that it created
 * is rolled back.
 *
 * The OVS transaction comes first: ovn-controller's work on the new port takes longest and runs while the pod's end
 * is being configured.
 */
export async function addPod(
  deps: AddDependencies,
  request: PodRequest,
  watch: Stopwatch,
  signal: AbortSignal,
): Promise<CniResponse> {
  if (deps.nonPrimary && request.provider === OVN_PROVIDER) throw notOurs(request);
  const found = await allocated(deps, request, watch, signal);
  if (request.ipamOnly) return await addresses(deps, request, found.allocation);

  refuseQos(found);
  await started(deps, request, watch, signal);
  const wanted = interfaceFor(deps, request, found);
  const encap = deps.encapOf(found.allocation.subnet);
  const spec = portFor(request, found, wanted, encap, deps.clock ?? SYSTEM_CLOCK);
  refuseConfusion(deps.ports, request, spec.externalIds[EXTERNAL_ID.ifaceId] ?? "");
  const timing = { watch, stepMs: () => withinBudget(deps.deadlines.installedMs, request, watch) };
  const undo = new Undo();
  try {
    // An earlier port exists if a runtime repeats an ADD, or if the daemon was killed during one.
    await step("removing the pod's earlier port", vacated(deps, spec, timing.stepMs(), signal));
    undo.push(`interface ${wanted.hostName}`, () => deps.links.removePair(wanted.hostName));
    await watch.measure("veth", () => step("creating the pod's interface", deps.links.createPair(wanted)));
    signal.throwIfAborted();
    undo.push(`port ${spec.name}`, () => deps.ports.detach([spec.portUuid]));
    await connect(deps, spec, wanted, timing, signal);
    // A caller that has disconnected would not send the DEL that removes this interface.
    signal.throwIfAborted();
  } catch (thrown) {
    const failures = await undo.run();
    if (failures.length > 0) deps.onOrphaned(wanted.hostName, failures);
    throw signal.aborted ? stopped(request, signal) : thrown;
  }
  deps.links.announce(wanted);
  return response(request, found.allocation, wanted.mtu);
}

/**
 * The result for another plugin, which creates the interface. That plugin adds routes but does not replace any, so an
 * existing default route of the pod would block the new one.
 */
async function addresses(deps: AddDependencies, request: PodRequest, allocation: Allocation): Promise<CniResponse> {
  const defaults = allocation.routes.filter(({ destination }) => destination.prefix === 0);
  if (defaults.length > 0 && request.netns !== "") {
    const families = defaults.map(({ destination }) => destination.family);
    await step(
      "replacing the pod's default route",
      deps.links.removeDefaultRoutes(request.netns, request.ifName, families),
    );
  }
  return response(request, allocation, 0);
}

/**
 * Waits for the controller. The time until the address and the time from the address to the route are measured
 * separately, as in Kube-OVN's metrics.
 */
async function allocated(
  deps: AddDependencies,
  request: PodRequest,
  watch: Stopwatch,
  outer: AbortSignal,
): Promise<FoundAllocation> {
  const { explain } = deps;
  const allocatedMs = withinBudget(deps.deadlines.allocatedMs, request, watch);
  const signal = AbortSignal.any([outer, deps.stopping]);
  const onWait = (what: "address" | "route"): void => watch.phase(`wait-${what}`);
  try {
    onWait("address");
    return await awaitAllocation(deps.pods, request, {
      deadlines: { ...deps.deadlines, allocatedMs },
      explain,
      signal,
      onWait,
      ...(deps.clock && { clock: deps.clock }),
    });
  } catch (thrown) {
    throw signal.aborted ? stopped(request, signal) : thrown;
  } finally {
    watch.phase(undefined);
  }
}

/** Waits for a daemon that has just started; nothing has been created yet. */
async function started(
  deps: AddDependencies,
  request: PodRequest,
  watch: Stopwatch,
  outer: AbortSignal,
): Promise<void> {
  const ms = withinBudget(deps.deadlines.installedMs, request, watch);
  try {
    await watch.measure("wait-node", () => whenStarted(deps, ms, outer));
  } catch (thrown) {
    const signal = AbortSignal.any([outer, deps.stopping]);
    throw signal.aborted ? stopped(request, signal) : thrown;
  }
}

/** The time of one ADD: what its parts take, and how long the next one may take, in ms. */
interface Timing {
  readonly watch: Stopwatch;
  readonly stepMs: () => number;
}

/** Adds the OVS port and configures the pod's end, concurrently. When it returns or throws, both have ended. */
async function connect(
  deps: AddDependencies,
  spec: PortSpec,
  wanted: PodLink,
  { watch, stepMs }: Timing,
  outer: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const port = async (): Promise<void> => {
    await watch.measure("ovsdb", () => step("adding the port to br-int", attached(deps, spec, stepMs(), signal)));
    await watch.measure("ovn-installed", () => installed(deps, spec, stepMs(), signal));
    if (wanted.startsDown) {
      await step("renewing Open vSwitch's cached flows", renewed(deps, stepMs(), signal));
      await step("connecting the pod's interface", deps.links.connect(wanted.hostName));
    }
  };
  const inside = (): Promise<void> =>
    watch.measure("netns", () => step("configuring the pod's interface", deps.links.configure(wanted)));
  const tasks = [port(), inside()];
  // The first failure aborts the other task, whose own error is then only the abort.
  for (const task of tasks) task.catch((error) => failed.abort(error));
  await Promise.allSettled(tasks);
  if (failed.signal.aborted) throw failed.signal.reason;
}

/**
 * The request is for a pod's primary interface, or its configuration has no provider, while another plugin creates
 * primary interfaces.
 */
function notOurs({ podNamespace, podName, network = "" }: PodRequest): CniError {
  return new CniError(
    CNI_ERROR.invalidConfig,
    `pod ${podNamespace}/${podName}: the network configuration ${JSON.stringify(network)} has no provider, and Weft does not create primary interfaces in this cluster`,
    {
      details:
        "Weft runs with nonPrimaryCNI, beside another network plugin: the provider of a NetworkAttachmentDefinition is <name>.<namespace>.ovn",
    },
  );
}

/** An interface with invalid limits is not created without limits. */
function refuseQos({ pod, allocation }: FoundAllocation): void {
  const { refused, problem = "" } = decodePodQos(pod.annotations[POD.qos])[allocation.provider] ?? {};
  if (refused) throw new CniError(CNI_ERROR.invalidConfig, `${problem} (of pod ${pod.namespace}/${pod.name})`);
}

async function vacated(deps: AddDependencies, { name }: PortSpec, ms: number, outer: AbortSignal): Promise<void> {
  const late = (): CniError =>
    new CniError(CNI_ERROR.tryAgainLater, `ovs-vswitchd has not released ${name} within ${secondsText(ms)}`, {
      details: "is ovs-vswitchd of this node (DaemonSet ovs-ovn) running?",
    });
  await withDeadline(ms, outer, (signal) => deps.ports.vacate(name, signal), late, deps.clock);
}

/**
 * Adds the port, and retries while the database is away or cannot write: to an ADD that fails kubelet comes back after 10 to 15 s (`backOffPeriod` of
 * pkg/kubelet/kubelet.go, with jitter), long after the database has.
 */
async function attached(
  { ports, clock = SYSTEM_CLOCK }: AddDependencies,
  spec: PortSpec,
  ms: number,
  outer: AbortSignal,
): Promise<void> {
  let last = new CniError(CNI_ERROR.tryAgainLater, "not connected to Open vSwitch's database on this node", {
    details: "is this node's pod of DaemonSet ovs-ovn running?",
  });
  const attach = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      await ports.whenConnected(signal);
      // An attempt whose connection broke may have been committed.
      if (ports.byName(spec.name)?.portUuid === spec.portUuid) return;
      try {
        return await ports.attach(spec, signal);
      } catch (thrown) {
        if (!(thrown instanceof CniError && thrown.code === CNI_ERROR.tryAgainLater) || signal.aborted) throw thrown;
        last = thrown;
      }
      await pause(clock, REFUSED_MS, signal);
    }
  };
  await withDeadline(ms, outer, attach, () => last, clock);
}

async function installed(deps: AddDependencies, spec: PortSpec, ms: number, outer: AbortSignal): Promise<void> {
  const late = (): CniError => {
    const logicalPort = spec.externalIds[EXTERNAL_ID.ifaceId];
    return new CniError(
      CNI_ERROR.tryAgainLater,
      `ovn-controller has not installed the flows of ${spec.name} within ${secondsText(ms)}`,
      {
        details: `logical port ${logicalPort}: is it in the northbound database, is ovn-controller of this node (DaemonSet ovs-ovn) connected to the southbound one?`,
      },
    );
  };
  await withDeadline(ms, outer, (signal) => deps.ports.whenInstalled(spec.interfaceUuid, signal), late, deps.clock);
}

async function renewed({ renewFlows, clock }: AddDependencies, ms: number, outer: AbortSignal): Promise<void> {
  const late = (): CniError =>
    new CniError(CNI_ERROR.tryAgainLater, `ovs-vswitchd has not renewed them within ${secondsText(ms)}`);
  await withDeadline(ms, outer, (signal) => untilAborted(renewFlows(), signal), late, clock);
}

function interfaceFor(deps: AddDependencies, request: PodRequest, { pod, allocation }: FoundAllocation): PodLink {
  const mtu = deps.mtuOf(allocation.subnet);
  if (mtu === 0) {
    throw new CniError(CNI_ERROR.tryAgainLater, "the MTU of this node's tunnels is not known", {
      details:
        "no interface has the address ovn-encap-ip of Open_vSwitch's external_ids; see the log of DaemonSet ovs-ovn",
    });
  }
  return {
    hostName: hostLinkName(request.containerId, request.ifName),
    netns: request.netns,
    ifName: request.ifName,
    mac: allocation.mac,
    mtu,
    addresses: allocation.addresses,
    routes: allocation.routes,
    alias: podAlias(markOf(request, pod), pod.namespace, pod.name),
    txChecksumOff: deps.ports.userspace,
    // A virtual machine that is moved has its port on two nodes. OVN 25.03 to 26.03 keep it closed here until the virtual machine is announced, but not before ovn-controller has
    // written to the southbound database that it has the port, which it puts off while another write of its own is unanswered (physical.c, setup_activation_strategy).
    ...(allocation.machine !== undefined && { startsDown: true }),
  };
}

function portFor(
  request: PodRequest,
  { pod, allocation }: FoundAllocation,
  wanted: PodLink,
  encap: string | undefined,
  clock: Pick<Clock, "uuid">,
): PortSpec {
  return {
    portUuid: clock.uuid(),
    interfaceUuid: clock.uuid(),
    name: wanted.hostName,
    externalIds: {
      ...portIds(pod, allocation, markOf(request, pod)),
      ...(encap && { [EXTERNAL_ID.encapIp]: encap }),
      ...(request.requestId !== undefined && { [EXTERNAL_ID.request]: request.requestId }),
    },
  };
}

function markOf(request: PodRequest, pod: NodePod): Omit<PodMark, "pod"> {
  const { containerId, ifName, provider, network, netns, podUid } = request;
  const uid = podUid ?? pod.uids[0] ?? "";
  return { uid, containerId, ifName, provider, netns, ...(network !== undefined && { network }) };
}

function response(request: PodRequest, allocation: Allocation, mtu: number): CniResponse {
  return {
    ips: allocation.addresses.map(({ ip, cidr, gateway }) => ({
      protocol: ip.family === 4 ? "IPv4" : "IPv6",
      ip: ip.text,
      cidr: cidr.text,
      ...(gateway === undefined || !allocation.isDefault ? {} : { gateway: gateway.text }),
    })),
    mac_address: allocation.mac,
    routes: allocation.routes.map(({ destination, gateway }) => ({ dst: destination.text, gw: gateway.text })),
    mtu,
    nicname: request.ipamOnly ? "" : request.ifName,
    ...(request.dns === undefined ? {} : { dns: request.dns }),
  };
}

async function step<R>(doing: string, work: Promise<R>): Promise<R> {
  try {
    return await work;
  } catch (thrown) {
    throw CniError.from(thrown, doing);
  }
}

function stopped(request: PodRequest, signal: AbortSignal): CniError {
  const why = signal.reason instanceof Error ? signal.reason.message : "";
  return new CniError(
    CNI_ERROR.tryAgainLater,
    `ADD for pod ${request.podNamespace}/${request.podName} was aborted${why === "" ? "" : `: ${why}`}`,
  );
}
