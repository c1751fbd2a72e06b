// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { CNI_ERROR } from "../../api/cni-message.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { mutate, type Operation } from "../../ovsdb/operation.ts";
import type { Clock } from "../../time/clock.ts";
import { readAllocation } from "../cni/allocation.ts";
import { CniError } from "../cni/cni-error.ts";
import type { RoutedSubnet } from "../gateway/subnets.ts";
import type { NodePlane } from "../ovs/encap-addresses.ts";
import type { OvsChange, OvsView } from "../ovs/ovs-view.ts";
import { markOfPort } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PodPort } from "../ovs/ports.ts";
import { ReconcileLoop } from "../reconcile-loop.ts";
import type { NodePod } from "./pods.ts";

/** What {@link PodEncaps} works with. */
export interface PodEncapsWorld {
  readonly view: OvsView;
  readonly pods: { get(key: string): NodePod | undefined };
  readonly subnets: {
    get(key: string): RoutedSubnet | undefined;
    values(): IterableIterator<RoutedSubnet>;
    subscribe(listener: () => void): () => void;
  };
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Whether `plane` knows the node's networks; when it does from now on, `trigger` is called. */
  planesKnown(): boolean;
  /** A network of this node, if it has it. */
  plane(network: string): NodePlane | undefined;
  /** Whether a network of this node has the address. */
  isPlane(ip: string): boolean;
  /** Records a Warning about this node. */
  warnNode(reason: string, message: string): void;
}

/**
 * Which of the node's addresses the tunnels of each pod end at: `encap-ip` of its interface, by `Subnet.spec.nodeNetwork` and the node's networks. A change of either
 * reaches running pods. A running pod whose network the node lacks keeps the address that it has while that is one of the node's networks, and else has the default
 * one; one that starts waits.
 */
export class PodEncaps {
  readonly #world: PodEncapsWorld;
  readonly #loop: ReconcileLoop;
  readonly #stops: (() => void)[] = [];
  /** subnet → the network that was missing when that was reported. */
  #reported: ReadonlyMap<string, string> = new Map();

  constructor(world: PodEncapsWorld) {
    this.#world = world;
    const onError = (error: unknown, retryMs: number): void =>
      world.log.warn({ err: error, retryMs }, "failed to set the tunnel address of pods; retrying");
    this.#loop = new ReconcileLoop(() => this.#reconcile(), onError, {}, world.clock);
  }

  /**
   * The tunnel address of pods of a subnet; undefined for the node's default one.
   * @throws CniError 11 where this node lacks the subnet's network.
   */
  encapOf(subnet: string): string | undefined {
    const network = this.#networkOf(subnet);
    if (network === "") return undefined;
    const plane = this.#world.plane(network);
    if (plane !== undefined) return plane.ip;
    throw new CniError(CNI_ERROR.tryAgainLater, missing(subnet, network), { details: WHAT_TO_DO });
  }

  start(): void {
    const { view, subnets } = this.#world;
    const trigger = (): void => this.trigger();
    this.#stops.push(
      subnets.subscribe(trigger),
      view.mirror.onSyncedChange(trigger),
      view.mirror.subscribe((changes) => {
        if (changes.some(mayDiffer)) trigger();
      }),
    );
  }

  /** Something may have changed that tunnel addresses follow from. */
  trigger(): void {
    this.#loop.trigger();
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#loop.stop();
  }

  #networkOf(subnet: string): string {
    const contract = this.#world.subnets.get(subnet)?.contract;
    return (typeof contract === "object" && contract.nodeNetwork) || "";
  }

  async #reconcile(): Promise<void> {
    const { view, subnets, log } = this.#world;
    if (!view.synced || !this.#world.planesKnown()) return;
    // Where no subnet names a network, no pod's annotations need to be read.
    const inUse = [...subnets.values()].some(({ name }) => this.#networkOf(name) !== "");
    const operations: Operation[] = [];
    const lacking = new Map<string, string>();
    for (const port of view.podPorts()) {
      const has = port.externalIds[EXTERNAL_ID.encapIp] ?? "";
      const want = inUse ? this.#wanted(port, has, lacking) : "";
      if (want === undefined || want === has) continue;
      const key = EXTERNAL_ID.encapIp;
      operations.push(
        mutate(VSWITCH, "Interface", port.interfaceUuid, [
          ["external_ids", "delete", [key]],
          ...(want === "" ? [] : [["external_ids", "insert", { [key]: want }] as const]),
        ]),
      );
    }
    this.#report(lacking);
    if (operations.length === 0) return;
    await view.transact(operations);
    log.info({ interfaces: operations.length }, "tunnel addresses of pods changed");
  }

  /** "" for the default address; undefined where nothing is known of the pod. */
  #wanted(port: PodPort, has: string, lacking: Map<string, string>): string | undefined {
    const subnet = this.#subnetOf(port);
    if (subnet === undefined) return undefined;
    const network = this.#networkOf(subnet);
    if (network === "") return "";
    const plane = this.#world.plane(network);
    if (plane !== undefined) return plane.ip;
    lacking.set(subnet, network);
    return this.#world.isPlane(has) ? has : "";
  }

  #subnetOf(port: PodPort): string | undefined {
    const { [EXTERNAL_ID.podNamespace]: namespace, [EXTERNAL_ID.podName]: name } = port.externalIds;
    const pod = this.#world.pods.get(`${namespace}/${name}`);
    const mark = markOfPort(port);
    if (pod === undefined || mark === undefined || !pod.uids.includes(mark.uid)) return undefined;
    try {
      const state = readAllocation(pod, { ...mark, ipamOnly: false, routes: [] });
      return state.state === "ready" ? state.allocation.subnet : undefined;
    } catch {
      // ADD reports what is malformed; the pod keeps what it has.
      return undefined;
    }
  }

  #report(lacking: ReadonlyMap<string, string>): void {
    for (const [subnet, network] of lacking) {
      if (this.#reported.get(subnet) === network) continue;
      const message = `${missing(subnet, network)}; its pods that run here use the tunnel address that they had, or the default one if this node has lost that; ${WHAT_TO_DO}`;
      this.#world.log.warn({ subnet, network }, message);
      this.#world.warnNode("NodeNetworkNotFound", message);
    }
    this.#reported = lacking;
  }
}

const WHAT_TO_DO = `name it and this node's address in it in the Node's annotation ${NODE.nodeNetworks}, or keep such pods off this node`;

function missing(subnet: string, network: string): string {
  return `this node has no network ${JSON.stringify(network)} (spec.nodeNetwork of Subnet "${subnet}")`;
}

/** A pod's interface is new, or its tunnel address was changed. */
function mayDiffer(change: OvsChange): boolean {
  if (change.table !== "Interface" || change.new === undefined) return false;
  const { old, new: now } = change;
  if (now.external_ids[EXTERNAL_ID.podName] === undefined) return false;
  return old === undefined || old.external_ids[EXTERNAL_ID.encapIp] !== now.external_ids[EXTERNAL_ID.encapIp];
}
