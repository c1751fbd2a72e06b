// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { CNI_ERROR } from "../../api/cni-message.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { mutate, type Operation } from "../../ovsdb/operation.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import { readAllocation } from "../cni/allocation.ts";
import { CniError } from "../cni/cni-error.ts";
import type { RoutedSubnet } from "../node-gateway/subnet-reader.ts";
import type { NodePlane } from "../ovs/encap-addresses.ts";
import type { OvsChange, OvsView } from "../ovs/ovs-view.ts";
import { markOfPort } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PodPort } from "../ovs/ports.ts";
import type { NodePod } from "./pods.ts";

/** Dependencies of {@link PodEncaps}. */
export interface PodEncapsDependencies {
  readonly view: OvsView;
  readonly pods: { get(key: string): NodePod | undefined };
  readonly subnets: {
    get(key: string): RoutedSubnet | undefined;
    values(): IterableIterator<RoutedSubnet>;
    subscribe(listener: () => void): () => void;
  };
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Whether `plane` knows the node's networks; `trigger` is called once it does. */
  planesKnown(): boolean;
  /** The address of a network of this node; undefined if the node does not have the network. */
  plane(network: string): NodePlane | undefined;
  /** Whether a network of this node has the address. */
  isPlane(ip: string): boolean;
  /** Records a Warning about this node. */
  warnNode(reason: string, message: string): void;
}

/**
 * Sets the tunnel address of each pod's interface (`encap-ip`), from `Subnet.spec.nodeNetwork` and the node's networks. Changes of either are applied
 * to running pods. If the node does not have the network, a running pod keeps its address while that belongs to one of the node's networks, and
 * otherwise uses the default one; a new pod does not start.
 */
export class PodEncaps {
  readonly #deps: PodEncapsDependencies;
  readonly #loop: ReconcileLoop;
  readonly #stops: (() => void)[] = [];
  /** Subnet → the missing network that was last reported. */
  #reported: ReadonlyMap<string, string> = new Map();

  constructor(deps: PodEncapsDependencies) {
    this.#deps = deps;
    const onError = (error: unknown, retryMs: number): void =>
      deps.log.warn({ err: error, retryMs }, "failed to set the tunnel address of pods; retrying");
    this.#loop = new ReconcileLoop(() => this.#reconcile(), onError, {}, deps.clock);
  }

  /**
   * The tunnel address for pods of a subnet; undefined for the node's default address.
   * @throws CniError 11 if this node does not have the subnet's network.
   */
  encapOf(subnet: string): string | undefined {
    const network = this.#networkOf(subnet);
    if (network === "") return undefined;
    const plane = this.#deps.plane(network);
    if (plane !== undefined) return plane.ip;
    throw new CniError(CNI_ERROR.tryAgainLater, missing(subnet, network), { details: WHAT_TO_DO });
  }

  start(): void {
    const { view, subnets } = this.#deps;
    const trigger = (): void => this.trigger();
    this.#stops.push(
      subnets.subscribe(trigger),
      view.mirror.onSyncedChange(trigger),
      view.mirror.subscribe((changes) => {
        if (changes.some(mayDiffer)) trigger();
      }),
    );
  }

  /** Something that tunnel addresses depend on may have changed. */
  trigger(): void {
    this.#loop.trigger();
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#loop.stop();
  }

  #networkOf(subnet: string): string {
    const contract = this.#deps.subnets.get(subnet)?.contract;
    return (typeof contract === "object" && contract.nodeNetwork) || "";
  }

  async #reconcile(): Promise<void> {
    const { view, subnets, log } = this.#deps;
    if (!view.synced || !this.#deps.planesKnown()) return;
    // If no subnet names a network, no pod's annotations need to be read.
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

  /** "" for the default address; undefined if the pod's subnet is not known. */
  #wanted(port: PodPort, has: string, lacking: Map<string, string>): string | undefined {
    const subnet = this.#subnetOf(port);
    if (subnet === undefined) return undefined;
    const network = this.#networkOf(subnet);
    if (network === "") return "";
    const plane = this.#deps.plane(network);
    if (plane !== undefined) return plane.ip;
    lacking.set(subnet, network);
    return this.#deps.isPlane(has) ? has : "";
  }

  #subnetOf(port: PodPort): string | undefined {
    const { [EXTERNAL_ID.podNamespace]: namespace, [EXTERNAL_ID.podName]: name } = port.externalIds;
    const pod = this.#deps.pods.get(`${namespace}/${name}`);
    const mark = markOfPort(port);
    if (pod === undefined || mark === undefined || !pod.uids.includes(mark.uid)) return undefined;
    try {
      const state = readAllocation(pod, { ...mark, ipamOnly: false, routes: [] });
      return state.state === "ready" ? state.allocation.subnet : undefined;
    } catch {
      // ADD reports malformed annotations; the pod keeps its address.
      return undefined;
    }
  }

  #report(lacking: ReadonlyMap<string, string>): void {
    for (const [subnet, network] of lacking) {
      if (this.#reported.get(subnet) === network) continue;
      const message = `${missing(subnet, network)}; its pods that run here use the tunnel address that they had, or the default one if this node has lost that; ${WHAT_TO_DO}`;
      this.#deps.log.warn({ subnet, network }, message);
      this.#deps.warnNode("NodeNetworkNotFound", message);
    }
    this.#reported = lacking;
  }
}

const WHAT_TO_DO = `name it and this node's address in it in the Node's annotation ${NODE.nodeNetworks}, or keep such pods off this node`;

function missing(subnet: string, network: string): string {
  return `network ${JSON.stringify(network)} (spec.nodeNetwork of Subnet "${subnet}") is not found on this node`;
}

/** Whether a change concerns tunnel addresses: a pod's interface is new, or its tunnel address was changed. */
function mayDiffer(change: OvsChange): boolean {
  if (change.table !== "Interface" || change.new === undefined) return false;
  const { old, new: now } = change;
  if (now.external_ids[EXTERNAL_ID.podName] === undefined) return false;
  return old === undefined || old.external_ids[EXTERNAL_ID.encapIp] !== now.external_ids[EXTERNAL_ID.encapIp];
}
