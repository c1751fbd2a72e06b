// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE, SERVICE_INTERFACE } from "../../api/names.ts";
import { samePlain } from "../../collections/plain.ts";
import { untilAborted } from "../../kube/abort.ts";
import type { Ip } from "../../net/address.ts";
import type { PortRange } from "../../net/port-range.ts";
import type { Pass } from "../../node/driver.ts";
import { NodeEngine } from "../../node/engine.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import type { Nftables } from "../../node/nftables.ts";
import type { NodeState } from "../../node/state.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import { announcementSettings } from "../ovs/announcements.ts";
import { type EncapPlan, type NodePlane, planEncaps } from "../ovs/encap-addresses.ts";
import type { OvsChange, OvsView } from "../ovs/ovs-view.ts";
import type { RepairReport } from "../repair-report.ts";
import { NodePortStaleUdp } from "../services/node-port-stale-udp.ts";
import type { ServedServices } from "../services/served-services.ts";
import { type GatewayPlan, planGateway } from "./gateway-plan.ts";
import { gatewayState, noGatewayState } from "./gateway-state.ts";
import { LostNodePort } from "./lost-node-port.ts";
import type { OwnNode } from "./node-reader.ts";
import { ObservedNode } from "./observed-node.ts";
import type { RoutedSubnet } from "./subnet-reader.ts";

/** The node's own ports of br-int. */
const OWN_PORTS: readonly string[] = [NODE_INTERFACE, SERVICE_INTERFACE];

/** The part of an informer that the gateway uses. */
interface Facts<P> {
  readonly synced: boolean;
  get(key: string): P | undefined;
  values(): IterableIterator<P>;
  subscribe(listener: () => void): () => void;
  whenSynced(signal?: AbortSignal): Promise<void>;
}

/** Dependencies of {@link Gateway}. */
export interface GatewayDependencies {
  readonly node: string;
  readonly joinSubnet: string;
  readonly nodePorts: PortRange;
  /** `--mtu`; 0: the MTU that the tunnels allow. */
  readonly mtu: number;
  /** Another network plugin owns the node's network: there is no `ovn0`, route or rule, and existing ones are removed. */
  readonly nonPrimary?: boolean;
  readonly view: OvsView;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  readonly nodes: Facts<OwnNode>;
  readonly subnets: Facts<RoutedSubnet>;
  readonly services: Pick<ServedServices, "synced" | "current" | "subscribe">;
  readonly report: Pick<RepairReport, "note">;
  /** See {@link import("../../netlink/conntrack.ts").forgetUdpFlows}. */
  forgetUdpFlows(ip: Ip, port: number): number;
  /** What `start-ovs` has set, see ovs-settings.ts. */
  ovsSettings(): Readonly<Record<string, string>>;
  /** Default: the system's clock. */
  readonly clock?: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Writes this node's chassis to the API server, see node-writer.ts. */
  annotateChassis(chassis: string): Promise<void>;
  setNetworkAvailable(): Promise<void>;
  /** `notReady` has changed. */
  onState(): void;
  /** The result of {@link Gateway.plane} may have changed. */
  onPlanes(): void;
  /** Records a Warning about this node. */
  warnNode(reason: string, message: string): void;
}

/**
 * The node's own interface into OVN: `ovn0`, its addresses, the routes to the default VPC's subnets, the packet
 * filter rules. A change to one of these, or to their inputs, triggers a reconcile at once.
 */
export class Gateway {
  readonly #deps: GatewayDependencies;
  readonly #engine: NodeEngine;
  readonly #observed: ObservedNode;
  readonly #loop: ReconcileLoop;
  readonly #stops: (() => void)[] = [];
  #notReady: string | undefined = "the host gateway has not been set up yet";
  #mtu = 0;
  /** InternalIPs that no interface has. */
  #foreign = "";
  /** External next hops that are on no link of this node. */
  #unreachable = "";
  #announcements: Readonly<Record<string, string>> = {};
  #encaps: EncapPlan = { settings: {}, planes: new Map(), problems: [] };
  #planesKnown = false;
  readonly #tunnelsKnown = Promise.withResolvers<void>();
  /** What objects of other programs block. */
  #blocked = "";
  readonly #lost = new LostNodePort();
  readonly #staleUdp: NodePortStaleUdp;
  /**
   * The state for which a pass found nothing to do: changes that a later pass makes with the same state restore what
   * another program changed.
   */
  #settled: NodeState = {};
  /** Indexes of the node's own devices in the last pass; a device that ovs-vswitchd has recreated has another index. */
  #devices = "";

  constructor(deps: GatewayDependencies) {
    const { kernel, nft, view, clock = SYSTEM_CLOCK } = deps;
    this.#deps = deps;
    this.#staleUdp = new NodePortStaleUdp((ip, port) => deps.forgetUdpFlows(ip, port));
    this.#engine = new NodeEngine({ kernel, nft, ovs: view, uuid: clock.uuid });
    this.#observed = new ObservedNode(kernel);
    this.#loop = new ReconcileLoop(
      () => this.#reconcile(),
      (error, retryMs) => {
        deps.log.warn({ err: error, retryMs }, "failed to set up the host gateway; retrying");
      },
      {},
      deps.clock,
    );
  }

  /** Why the gateway does not work; undefined if it does. */
  get notReady(): string | undefined {
    return this.#notReady;
  }

  /** MTU for pods of a subnet that sets none; 0 while the tunnel interface is not known. */
  get mtu(): number {
    return this.#mtu;
  }

  /**
   * Resolves when a pass has determined the node's networks and the MTU, or that no interface has the tunnel address: with that, the Node, the subnets and Open vSwitch's
   * database are known. The signal's reason when that fires.
   */
  whenTunnelsKnown(signal: AbortSignal): Promise<void> {
    return untilAborted(this.#tunnelsKnown.promise, signal);
  }

  /** Whether the node's additional networks have been determined. */
  get planesKnown(): boolean {
    return this.#planesKnown;
  }

  /** An additional network of this node; undefined while the node has no network of that name, or cannot use it. */
  plane(network: string): NodePlane | undefined {
    return this.#encaps.planes.get(network);
  }

  /** Whether a network of this node has the address. */
  isPlane(ip: string): boolean {
    return [...this.#encaps.planes.values()].some((plane) => plane.ip === ip);
  }

  /** Starts; `stop` ends it. What was set up stays: pods keep their network without the daemon. */
  start(): void {
    const { view, nodes, subnets, services } = this.#deps;
    const trigger = (): void => this.#loop.trigger();
    const hurry = (): void => this.#loop.hurry();
    this.#stops.push(
      nodes.subscribe(hurry),
      subnets.subscribe(hurry),
      services.subscribe(hurry),
      view.mirror.onSyncedChange(trigger),
      view.mirror.subscribe((changes) => {
        const waited = (change: OvsChange): boolean => this.#lost.waiting && change.table === "Open_vSwitch";
        if (changes.some((change) => concernsNode(change) || waited(change))) trigger();
      }),
    );
    this.#engine.watch(trigger, (event) => this.#observed.concerns(event));
    // An informer without objects sends no events.
    for (const facts of [nodes, subnets]) facts.whenSynced().then(trigger, () => undefined);
    trigger();
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#engine.close();
    await this.#loop.stop();
  }

  async #reconcile(): Promise<void> {
    try {
      this.#say(await this.#ensure());
    } catch (error) {
      this.#say(`failed to set up the host gateway: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
    if (this.#notReady === undefined) await this.#reportReady();
  }

  /** One pass. Returns what it waits for; the event that ends the wait triggers the next pass. */
  async #ensure(): Promise<string | undefined> {
    const { view, nodes, subnets, services, report } = this.#deps;
    if (!view.synced) {
      // Open vSwitch is restarting and recreates its devices.
      this.#settled = {};
      return "not connected to Open vSwitch's database on this node";
    }
    if (!nodes.synced) return "this node has not been listed from the API server yet";
    if (!subnets.synced) return "subnets have not been listed from the API server yet";
    if (!services.synced) return "Services have not been listed from the API server yet";
    // First of all: ovn-controller creates br-int only when it knows its database.
    const started = this.#deps.ovsSettings();
    const { encaps, isNew: hasNewEncaps, isFirst } = this.#planEncaps(started);
    const isNew = this.#planAnnouncements() || hasNewEncaps;
    const ovsSettings = { ...started, ...encaps.settings, ...this.#announcements };
    const settings = succeeded(await this.#engine.pass({ ovs: { settings: ovsSettings } }));
    if (isNew || isFirst) this.#deps.onPlanes();
    if (settings.repairs.length > 0 && isNew)
      this.#deps.log.info({ changes: settings.repairs }, "settings of ovn-controller on this node changed");
    else if (settings.repairs.length > 0) this.#loop.backOff(report.note(settings.repairs));
    const bridge = view.bridge();
    if (bridge === undefined) return "ovn-controller has not created br-int yet";
    const unmeasured = this.#measure();
    this.#tunnelsKnown.resolve();
    if (unmeasured !== undefined) return unmeasured;
    const plan = this.#deps.nonPrimary ? undefined : this.#plan();
    if (typeof plan === "string") return plan;
    if (this.#lost.removing(view)) return "ovs-vswitchd has not released a lost device of this node yet";
    const userspace = bridge.datapath_type === "netdev";
    const state =
      plan === undefined
        ? noGatewayState(ovsSettings)
        : gatewayState(plan, { name: this.#deps.node, userspace, ovsSettings });
    const devices = OWN_PORTS.map((link) => this.#deps.kernel.link(link)?.index).join();
    if (devices !== this.#devices) this.#settled = {};
    this.#devices = devices;
    const pass = await this.#engine.pass(state);
    this.#judge(state, pass);
    succeeded(pass);
    // The tables are removed only after their links exist.
    if (pass.missing.length === 0) {
      this.#staleUdp.applied(plan?.services);
      this.#lost.found();
      return undefined;
    }
    this.#settled = {};
    // Devices of newly added ports are still being created.
    if (pass.repairs.length === 0 && (await this.#lost.step(view, pass.missing)))
      this.#loop.backOff(report.note(pass.missing.map((link) => `device ${link}`)));
    return `ovs-vswitchd has not created ${pass.missing.join(", ")} yet`;
  }

  /** The tunnel addresses, and whether they differ from those of the last pass. */
  #planEncaps(settings: Readonly<Record<string, string>>): {
    readonly encaps: EncapPlan;
    readonly isNew: boolean;
    readonly isFirst: boolean;
  } {
    const { view, nodes, node, warnNode, log } = this.#deps;
    const observed = this.#observed;
    const own = nodes.get(node);
    const before = this.#encaps;
    // If the Node is not known, nothing is removed.
    if (own === undefined || typeof own.contract === "string") return { encaps: before, isNew: false, isFirst: false };
    observed.start();
    const encaps = planEncaps({
      settings,
      present: view.root()?.external_ids ?? {},
      networks: own.contract.networks,
      tunnelInterface: own.tunnelInterface,
      linkOf: (ip) => observed.linkOf(ip),
      addressesOf: (link) => observed.addressesOf(link),
      isBridge: (link) => view.interfaceNamed(link)?.type === "internal",
    });
    this.#encaps = encaps;
    const isFirst = !this.#planesKnown;
    this.#planesKnown = true;
    for (const { reason, message } of encaps.problems) {
      if (before.problems.some((problem) => problem.message === message)) continue;
      log.warn({ reason }, message);
      warnNode(reason, message);
    }
    const isNew = !samePlain(encaps.settings, before.settings) || !samePlain([...encaps.planes], [...before.planes]);
    return { encaps, isNew, isFirst };
  }

  /** What is announced again; returns whether that has changed. */
  #planAnnouncements(): boolean {
    const { nodes, node } = this.#deps;
    const before = this.#announcements;
    const own = nodes.get(node);
    if (own !== undefined) this.#announcements = announcementSettings(own.nodeEip);
    return !samePlain(before, this.#announcements);
  }

  /** Determines the MTU of pods. Returns what is waited for, if it is not known. */
  #measure(): string | undefined {
    const encap = this.#deps.view.encap();
    const mtu = this.#deps.mtu || (encap === undefined ? undefined : this.#observed.mtu(encap));
    if (mtu === undefined)
      return `no interface of this node has the tunnel address (ovn-encap-ip ${encap?.ip ?? "unset"})`;
    this.#mtu = mtu;
    return undefined;
  }

  /** The desired state, or what is waited for. */
  #plan(): GatewayPlan | string {
    const { nodes, subnets, services, joinSubnet, nodePorts, log } = this.#deps;
    const facts = {
      joinSubnet,
      mtu: this.#mtu,
      nodePorts,
      services: services.current(),
      isLocal: (ip: Ip) => this.#observed.isLocal(ip),
      linkTo: (ip: Ip) => this.#observed.linkTo(ip),
    };
    this.#observed.forgetHops();
    const plan = planGateway(nodes.get(this.#deps.node), subnets.values(), facts);
    if (typeof plan === "string") return plan;
    const foreign = plan.foreign.map(({ text }) => text).join(",");
    if (foreign !== this.#foreign && foreign !== "") {
      log.warn(
        { addresses: foreign },
        "no interface of this node has its InternalIP: pods see the address of ovn0 instead; set --node-ip of kubelet",
      );
    }
    this.#foreign = foreign;
    const unreachable = [
      ...new Set(plan.egress.flatMap(({ gateway, link }) => (link === undefined ? [gateway.text] : []))),
    ].join(",");
    if (unreachable !== this.#unreachable && unreachable !== "")
      log.warn(
        { gateways: unreachable },
        "no network of this node has these addresses of externalEgressGateway: packets that their subnets' pods send outside by this node are rejected",
      );
    this.#unreachable = unreachable;
    return plan;
  }

  /** Distinguishes changes by other programs from first set-up and from newly wanted state. */
  #judge(state: NodeState, { repairs, blocked }: Pass): void {
    const { log, report } = this.#deps;
    const isOurs = !samePlain(state, this.#settled);
    if (repairs.length === 0) this.#settled = state;
    else if (isOurs) {
      this.#settled = {};
      log.info({ changes: repairs }, "host gateway changed");
    } else this.#loop.backOff(report.note(repairs));
    const inTheWay = blocked.join("; ");
    if (inTheWay !== this.#blocked && inTheWay !== "")
      log.warn({ blocked }, "skipped: blocked by objects of another program, which are left alone");
    this.#blocked = inTheWay;
  }

  async #reportReady(): Promise<void> {
    const node = this.#deps.nodes.get(this.#deps.node);
    const chassis = this.#deps.view.systemId();
    if (chassis !== undefined && node?.chassis !== chassis) await this.#deps.annotateChassis(chassis);
    // The plugin that creates the node's network reports its state.
    if (this.#deps.nonPrimary) return;
    if (node !== undefined && node.networkUnavailable !== "False") await this.#deps.setNetworkAvailable();
  }

  #say(reason: string | undefined): void {
    if (reason === this.#notReady) return;
    this.#notReady = reason;
    if (reason === undefined) this.#deps.log.info({}, "the host gateway is set up");
    else this.#deps.log.info({ reason }, "waiting to set up the host gateway");
    this.#deps.onState();
  }
}

/** Changes of pods' ports do not concern the node's own. */
function concernsNode(change: OvsChange): boolean {
  if (change.table === "Bridge")
    return change.old?.datapath_type !== change.new?.datapath_type || !change.old || !change.new;
  if (change.table === "Interface") return OWN_PORTS.includes((change.new ?? change.old)?.name ?? "");
  // `cur_cfg` increases with each pod's port.
  return change.table === "Open_vSwitch" && !samePlain(change.old?.external_ids, change.new?.external_ids);
}

/** @throws the first failure of a pass. */
function succeeded(pass: Pass): Pass {
  const [failure] = pass.failures;
  if (failure === undefined) return pass;
  const more = pass.failures.length === 1 ? "" : ` (and ${pass.failures.length - 1} more)`;
  const why = failure.error instanceof Error ? failure.error.message : String(failure.error);
  throw new Error(`${failure.what}: ${why}${more}`, { cause: failure.error });
}
