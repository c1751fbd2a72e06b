// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import type { Informer } from "../../kube/informer.ts";
import type { Ip } from "../../net/address.ts";
import { parseIp } from "../../net/address.ts";
import { cidrContains, cidrOf } from "../../net/cidr.ts";
import type { NetlinkEvent } from "../../netlink/watch.ts";
import type { Pass } from "../../node/driver.ts";
import { NodeEngine } from "../../node/engine.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { isProbeLink, PROBE_OWNER } from "../../node/marks.ts";
import type { Nftables } from "../../node/nftables.ts";
import type { NodeState } from "../../node/state.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import { LostNodePort } from "../node-gateway/lost-node-port.ts";
import type { RoutedSubnet } from "../node-gateway/subnet-reader.ts";
import type { OvsChange, OvsView } from "../ovs/ovs-view.ts";
import type { NodePod } from "../pods/pods.ts";
import type { RepairReport } from "../repair-report.ts";
import { type ProbePlan, planProbes, type Unprobed } from "./probe-plan.ts";
import { ProbeSlots, SLOTS } from "./probe-slots.ts";
import { probeLinkName, probeState, type VpcState } from "./probe-state.ts";

/** Dependencies of {@link Probes}. */
export interface ProbesDependencies {
  readonly view: OvsView;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  readonly pods: Pick<Informer<NodePod>, "synced" | "values" | "subscribe" | "whenSynced">;
  readonly subnets: Pick<Informer<RoutedSubnet>, "synced" | "get" | "subscribe" | "whenSynced">;
  readonly report: Pick<RepairReport, "note">;
  readonly clock: Clock;
  readonly log: Record<"info" | "warn", (fields: object, message: string) => void>;
  /** MTU of the node's interfaces into OVN; 0 while it is not known. */
  mtu(): number;
  /** Records a Warning about a pod. */
  event(pod: NodePod, reason: string, message: string): void;
}

/** Reason of the Event for a pod whose probes cannot be distinguished from other packets. */
const AMBIGUOUS = "ProbeAddressAmbiguous";

/**
 * Maintains the node's connections to pods of custom VPCs for kubelet's probes: a link into each VPC that has pods with probes on this node. ADDs do
 * not wait for it. It is separate from the node's own network, which failures here do not affect.
 */
export class Probes {
  readonly #deps: ProbesDependencies;
  readonly #engine: NodeEngine;
  readonly #loop: ReconcileLoop;
  readonly #slots = new ProbeSlots();
  readonly #lost = new LostNodePort();
  readonly #stops: (() => void)[] = [];
  /**
   * The state with which the last pass found nothing to do: changes that a later pass makes with the same state restore what another program changed.
   */
  #settled: NodeState | undefined;
  /** Indexes of the links in the last pass. Links that ovs-vswitchd has recreated have other indexes. */
  #devices = "";
  /** Something on the node may have changed. */
  #suspect = true;
  /** Messages already reported, by the pod's UID. */
  #reported: ReadonlyMap<string, string> = new Map();

  constructor(deps: ProbesDependencies) {
    const { kernel, nft, view, clock, log } = deps;
    this.#deps = deps;
    this.#engine = new NodeEngine({ kernel, nft, ovs: view, uuid: clock.uuid, owner: PROBE_OWNER });
    this.#loop = new ReconcileLoop(
      () => this.#reconcile(),
      (error, retryMs) =>
        log.warn({ err: error, retryMs }, "failed to set up connections to pods of custom VPCs; retrying"),
      {},
      clock,
    );
  }

  /** Starts. `stop` ends it; what was set up stays. */
  start(): void {
    const { view, pods, subnets } = this.#deps;
    const suspect = (): void => {
      this.#suspect = true;
      this.#loop.trigger();
    };
    const check = (): void => this.#loop.hurry();
    this.#stops.push(
      pods.subscribe(check),
      subnets.subscribe(check),
      view.mirror.onSyncedChange(suspect),
      view.mirror.subscribe((changes) => {
        if (changes.some((change) => this.#concerns(change))) suspect();
      }),
    );
    this.#engine.watch(suspect, isAddressEvent);
    for (const facts of [pods, subnets]) facts.whenSynced().then(check, () => undefined);
    suspect();
  }

  /** The node's MTU is known or has changed. */
  trigger(): void {
    this.#loop.trigger();
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#engine.close();
    await this.#loop.stop();
  }

  async #reconcile(): Promise<void> {
    const { view, pods, subnets, kernel, report } = this.#deps;
    if (!view.synced) {
      // Open vSwitch is restarting and recreates its devices.
      this.#settled = undefined;
      this.#suspect = true;
      return;
    }
    const bridge = view.bridge();
    const mtu = this.#deps.mtu();
    if (!pods.synced || !subnets.synced || bridge === undefined || mtu === 0) return;
    const plan = this.#plan();
    if (typeof plan === "string") return;
    const vpcs = this.#vpcs(plan);
    const state = probeState(vpcs, { mtu, userspace: bridge.datapath_type === "netdev" });
    if (!this.#suspect && this.#settled !== undefined && samePlain(state, this.#settled)) return;
    if (this.#lost.removing(view)) return;
    this.#suspect = false;
    const devices = vpcs.map(({ link }) => kernel.link(link)?.index).join();
    if (devices !== this.#devices) this.#settled = undefined;
    this.#devices = devices;
    const pass = await this.#engine.pass(state);
    this.#judge(state, pass);
    const [failure] = pass.failures;
    if (failure !== undefined) {
      this.#suspect = true;
      throw new Error(failure.what, { cause: failure.error });
    }
    if (pass.missing.length === 0) {
      this.#lost.found();
      return;
    }
    this.#settled = undefined;
    // ovs-vswitchd is still creating these devices.
    if (pass.repairs.length === 0 && (await this.#lost.step(view, pass.missing)))
      this.#loop.backOff(report.note(pass.missing.map((link) => `device ${link}`)));
  }

  #plan(): ProbePlan | string {
    const { pods, subnets, kernel } = this.#deps;
    const own = new Set(kernel.links().flatMap((link) => (isProbeLink(link) ? [link.index] : [])));
    const prefixes = kernel.addresses().flatMap(({ address, prefix, index }) => {
      const ip = own.has(index) ? undefined : parseIp(address);
      return (ip && cidrOf(ip, prefix)) ?? [];
    });
    return planProbes(pods.values(), {
      contractOf: (subnet) => subnets.get(subnet)?.contract,
      nearby: (ip: Ip) => prefixes.find((cidr) => cidrContains(cidr, ip))?.text,
    });
  }

  /** The VPCs with their links; reports pods that are not probed. */
  #vpcs({ vpcs, unprobed }: ProbePlan): readonly VpcState[] {
    const slots = this.#slots.assign([...vpcs.keys()].map(probeLinkName), this.#deps.kernel);
    this.#reportUnprobed(unprobed);
    return [...vpcs].flatMap(([vpc, targets]) => {
      const link = probeLinkName(vpc);
      const slot = slots.get(link);
      if (slot === undefined)
        this.#deps.log.warn({ vpc, limit: SLOTS }, "too many VPCs have pods with probes on this node");
      return slot === undefined ? [] : [{ vpc, link, slot, targets }];
    });
  }

  #reportUnprobed(unprobed: readonly Unprobed[]): void {
    const reported = new Map<string, string>();
    for (const { pod, message } of unprobed) {
      const uid = pod.uids[0] ?? "";
      reported.set(uid, message);
      if (this.#reported.get(uid) !== message) this.#deps.event(pod, AMBIGUOUS, message);
    }
    this.#reported = reported;
  }

  /** Logs changes; distinguishes restored state from first set-up and from newly wanted state. */
  #judge(state: NodeState, { repairs }: Pass): void {
    const { log, report } = this.#deps;
    if (repairs.length === 0) {
      if (this.#settled === undefined) log.info({}, "connections to pods of custom VPCs are set up");
      this.#settled = state;
    } else if (this.#settled === undefined || !samePlain(state, this.#settled)) {
      this.#settled = undefined;
      log.info({ changes: repairs }, "connections to pods of custom VPCs changed");
    } else this.#loop.backOff(report.note(repairs));
    // Checks the restored state once more.
    if (repairs.length > 0) this.#loop.trigger();
  }

  #concerns(change: OvsChange): boolean {
    if (change.table === "Bridge") return change.old === undefined || change.new === undefined;
    if (change.table === "Interface") return isProbeLink({ name: (change.new ?? change.old)?.name ?? "" });
    return change.table === "Open_vSwitch" && this.#lost.waiting;
  }
}

/** Each pod's interface has link-local addresses, which do not matter here. */
function isAddressEvent(event: NetlinkEvent): boolean {
  return event.type === "address" && event.address.scope !== "link";
}
