// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, POD } from "../../api/annotations.ts";
import { CNI_ERROR, type CniResponse } from "../../api/cni-message.ts";
import { decodePodQos } from "../../contract/qos-record.ts";
import { pause } from "../../kube/abort.ts";
import { hostLinkName } from "../../node/link-names.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import { portIds } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PortSpec, type Ports } from "../ovs/ports.ts";
import type { PodLink, PodLinks } from "../pods/pod-links.ts";
import { type PodMark, podAlias } from "../pods/pod-mark.ts";
import type { NodePod } from "../pods/pods.ts";
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
import { withDeadline } from "./deadline.ts";
import type { PodRequest } from "./request.ts";
import type { Stopwatch } from "./stopwatch.ts";
import { Undo } from "./undo.ts";

/** The dependencies of ADD. */
export interface AddDependencies {
  readonly pods: PodSource;
  readonly ports: Ports;
  readonly links: PodLinks;
  /** MTU of pods of a subnet in bytes, see `podMtu`; 0 while it is unknown. */
  mtuOf(subnet: string): number;
  /** Where the tunnels of pods of a subnet end on this node; undefined for the default address. @throws CniError 11 where the node lacks the subnet's network. */
  encapOf(subnet: string): string | undefined;
  readonly explain: Explain;
  readonly deadlines: AllocationDeadlines & { readonly installedMs: number };
  /** Fires when the daemon shuts down: an ADD that has created nothing yet is aborted, others may go on for a while. */
  readonly stopping: AbortSignal;
  /** Default: those of this machine. */
  readonly clock?: Clock;
  /** Another network plugin makes pods' primary interfaces. */
  readonly nonPrimary?: boolean;
  /** Something could not be rolled back; the collector must remove it. */
  onOrphaned(hostName: string, failures: readonly { readonly what: string; readonly error: unknown }[]): void;
}

/** How long Open vSwitch's database may take to accept a port, and ovn-controller to install its flows: each so long. */
export const DEFAULT_INSTALLED_MS = 30_000;

/** Between two attempts to write to a database that is there and does not accept it, as where its disk is full: nothing says when that ends. */
const REFUSED_MS = 500;

/**
 * CNI SPEC 1.1 ADD for one interface of a pod. Everything that it created is rolled back when it fails or `signal` fires.
 *
 * The OVS transaction goes first, because ovn-controller's work on the new port is the longest part and can go on while
 * the pod's end is being configured.
 */
export async function addPod(
  world: AddDependencies,
  request: PodRequest,
  watch: Stopwatch,
  signal: AbortSignal,
): Promise<CniResponse> {
  if (world.nonPrimary && request.provider === OVN_PROVIDER) throw notOurs(request);
  const found = await allocated(world, request, watch, signal);
  if (request.ipamOnly) return await addresses(world, request, found.allocation);

  refuseQos(found);
  const wanted = interfaceFor(world, request, found);
  const encap = world.encapOf(found.allocation.subnet);
  const spec = portFor(request, found, wanted, encap, world.clock ?? SYSTEM_CLOCK);
  refuseConfusion(world.ports, request, spec.externalIds[EXTERNAL_ID.ifaceId] ?? "");
  const undo = new Undo();
  try {
    // There is one if a runtime repeats an ADD, or this daemon was killed during one.
    await step("removing the pod's earlier port", vacated(world, spec, signal));
    undo.push(`interface ${wanted.hostName}`, () => world.links.removePair(wanted.hostName));
    await watch.measure("veth", () => step("creating the pod's interface", world.links.createPair(wanted)));
    signal.throwIfAborted();
    undo.push(`port ${spec.name}`, () => world.ports.detach([spec.portUuid]));
    await connect(world, spec, wanted, watch, signal);
    // A caller that has disconnected would never send the DEL that removes this.
    signal.throwIfAborted();
  } catch (thrown) {
    const failures = await undo.run();
    if (failures.length > 0) world.onOrphaned(wanted.hostName, failures);
    throw signal.aborted ? stopped(request, signal) : thrown;
  }
  world.links.announce(wanted);
  return response(request, found.allocation, wanted.mtu);
}

/**
 * The answer to another plugin, which creates the interface. That plugin adds routes and replaces none: a default route that the pod already has
 * would block the new one.
 */
async function addresses(world: AddDependencies, request: PodRequest, allocation: Allocation): Promise<CniResponse> {
  const defaults = allocation.routes.filter(({ destination }) => destination.prefix === 0);
  if (defaults.length > 0 && request.netns !== "") {
    const families = defaults.map(({ destination }) => destination.family);
    await step(
      "replacing the pod's default route",
      world.links.removeDefaultRoutes(request.netns, request.ifName, families),
    );
  }
  return response(request, allocation, 0);
}

/** Waits for the controller; the time until the address and the time from it to the route are told apart, as in Kube-OVN's metrics. */
async function allocated(
  world: AddDependencies,
  request: PodRequest,
  watch: Stopwatch,
  outer: AbortSignal,
): Promise<FoundAllocation> {
  const { deadlines, explain } = world;
  const signal = AbortSignal.any([outer, world.stopping]);
  const onWait = (what: "address" | "route"): void => watch.phase(`wait-${what}`);
  try {
    onWait("address");
    return await awaitAllocation(world.pods, request, {
      deadlines,
      explain,
      signal,
      onWait,
      ...(world.clock && { clock: world.clock }),
    });
  } catch (thrown) {
    throw signal.aborted ? stopped(request, signal) : thrown;
  } finally {
    watch.phase(undefined);
  }
}

/** The port in OVS and the pod's end, side by side. When it returns or throws, both have ended. */
async function connect(
  world: AddDependencies,
  spec: PortSpec,
  wanted: PodLink,
  watch: Stopwatch,
  outer: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const port = async (): Promise<void> => {
    await watch.measure("ovsdb", () => step("adding the port to br-int", attached(world, spec, signal)));
    await watch.measure("ovn-installed", () => installed(world, spec, signal));
    if (wanted.startsDown) await step("connecting the pod's interface", world.links.connect(wanted.hostName));
  };
  const inside = (): Promise<void> =>
    watch.measure("netns", () => step("configuring the pod's interface", world.links.configure(wanted)));
  const tasks = [port(), inside()];
  // The first failure aborts the other task, whose own error then only says that it was aborted.
  for (const task of tasks) task.catch((error) => failed.abort(error));
  await Promise.allSettled(tasks);
  if (failed.signal.aborted) throw failed.signal.reason;
}

/** The primary interface of a pod, or what a configuration without a provider asks for, where that is another plugin's. */
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

/** An interface whose limits cannot be read is not created without them. */
function refuseQos({ pod, allocation }: FoundAllocation): void {
  const { refused, problem = "" } = decodePodQos(pod.annotations[POD.qos])[allocation.provider] ?? {};
  if (refused) throw new CniError(CNI_ERROR.invalidConfig, `${problem} (of pod ${pod.namespace}/${pod.name})`);
}

async function vacated(world: AddDependencies, { name }: PortSpec, outer: AbortSignal): Promise<void> {
  const ms = world.deadlines.installedMs;
  const late = (): CniError =>
    new CniError(CNI_ERROR.tryAgainLater, `ovs-vswitchd has not released ${name} within ${ms / 1000} s`, {
      details: "is ovs-vswitchd of this node (DaemonSet ovs-ovn) running?",
    });
  await withDeadline(ms, outer, (signal) => world.ports.vacate(name, signal), late, world.clock);
}

/**
 * Adds the port, and retries while the database is away or cannot write: to an ADD that fails kubelet comes back after 10 to 15 s (`backOffPeriod` of
 * pkg/kubelet/kubelet.go, with jitter), long after the database has.
 */
async function attached(
  { ports, deadlines, clock = SYSTEM_CLOCK }: AddDependencies,
  spec: PortSpec,
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
  await withDeadline(deadlines.installedMs, outer, attach, () => last, clock);
}

async function installed(world: AddDependencies, spec: PortSpec, outer: AbortSignal): Promise<void> {
  const ms = world.deadlines.installedMs;
  const late = (): CniError => {
    const logicalPort = spec.externalIds[EXTERNAL_ID.ifaceId];
    return new CniError(
      CNI_ERROR.tryAgainLater,
      `ovn-controller has not installed the flows of ${spec.name} within ${ms / 1000} s`,
      {
        details: `logical port ${logicalPort}: is it in the northbound database, is ovn-controller of this node (DaemonSet ovs-ovn) connected to the southbound one?`,
      },
    );
  };
  await withDeadline(ms, outer, (signal) => world.ports.whenInstalled(spec.interfaceUuid, signal), late, world.clock);
}

function interfaceFor(world: AddDependencies, request: PodRequest, { pod, allocation }: FoundAllocation): PodLink {
  const mtu = world.mtuOf(allocation.subnet);
  if (mtu === 0) {
    throw new CniError(CNI_ERROR.tryAgainLater, "the MTU of this node's tunnels is not known yet", {
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
    txChecksumOff: world.ports.userspace,
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
