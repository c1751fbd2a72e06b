// SPDX-License-Identifier: Apache-2.0

import { MIRROR_INTERFACE } from "../../api/names.ts";
import { samePlain } from "../../collections/plain.ts";
import { isMirrored } from "../../contract/pod.ts";
import type { NetlinkEvent } from "../../netlink/watch.ts";
import type { Pass } from "../../node/driver.ts";
import { NodeEngine } from "../../node/engine.ts";
import type { NodeKernel } from "../../node/kernel.ts";
import { MIRROR_OWNER } from "../../node/marks.ts";
import type { Nftables } from "../../node/nftables.ts";
import type { NodeState } from "../../node/state.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import { LostNodePort } from "../node-gateway/lost-node-port.ts";
import { type MirrorView, planMirror, planRemoval, type WantedMirror } from "../ovs/mirror-rows.ts";
import type { BridgeView, OvsChange, OvsView } from "../ovs/ovs-view.ts";
import { markOfPort } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PodPort } from "../ovs/ports.ts";
import type { RepairReport } from "../repair-report.ts";
import { MIRROR_LINK, mirrorState } from "./mirror-state.ts";
import type { NodePod } from "./pods.ts";

/** Dependencies of {@link PodMirror}. */
export interface PodMirrorDependencies {
  readonly view: OvsView;
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  readonly pods: {
    readonly synced: boolean;
    get(key: string): NodePod | undefined;
    whenSynced(): Promise<void>;
    subscribe(listener: (change: { readonly old?: NodePod; readonly new?: NodePod }) => void): () => void;
  };
  /** Whether every port of br-int is mirrored (`--enable-mirror`). */
  readonly all: boolean;
  /** Whether interface and row exist only while something is mirrored. */
  readonly onDemand: boolean;
  readonly report: Pick<RepairReport, "note">;
  readonly clock: Clock;
  readonly log: Record<"info" | "warn", (fields: object, message: string) => void>;
}

/**
 * Copies the packets that pods with the annotation `mirror` send and receive to the node's interface `mirror0`, by
 * the row `m0` of Open vSwitch's `Mirror`. Interface and row exist on every node, as in Kube-OVN: a program that
 * captures there keeps running while pods are created and deleted. ADDs do not wait for it, and failures here do not
 * affect anything else. If another network plugin owns the node's network, interface and row exist on demand.
 */
export class PodMirror {
  readonly #deps: PodMirrorDependencies;
  readonly #engine: NodeEngine;
  readonly #loop: ReconcileLoop;
  readonly #lost = new LostNodePort();
  readonly #stops: (() => void)[] = [];
  /**
   * The state for which a pass found nothing to do: changes that a later pass makes with the same state restore what
   * another program changed.
   */
  #settled: object | undefined;
  /** The device may have changed. */
  #suspect = true;
  /** Whether interface and row were wanted in the last pass. */
  #exists: boolean | undefined;

  constructor(deps: PodMirrorDependencies) {
    const { kernel, nft, view, clock, log } = deps;
    this.#deps = deps;
    this.#engine = new NodeEngine({ kernel, nft, ovs: view, uuid: clock.uuid, owner: MIRROR_OWNER });
    const onError = (error: unknown, retryMs: number): void => {
      this.#suspect = true;
      log.warn({ err: error, retryMs }, `failed to set up or remove ${MIRROR_INTERFACE}; retrying`);
    };
    this.#loop = new ReconcileLoop(() => this.#reconcile(), onError, {}, clock);
  }

  start(): void {
    const { view, pods } = this.#deps;
    const trigger = (): void => this.#loop.trigger();
    const suspect = (): void => {
      this.#suspect = true;
      trigger();
    };
    this.#stops.push(
      pods.subscribe(({ old, new: now }) => {
        if (requests(old) !== requests(now)) this.#loop.hurry();
      }),
      view.mirror.onSyncedChange(suspect),
      view.mirror.subscribe((changes) => {
        if (changes.some((change) => this.#concernsDevice(change))) suspect();
        else if (changes.some(mayDiffer)) trigger();
      }),
    );
    this.#engine.watch(suspect, isOfDevice);
    pods.whenSynced().then(suspect, () => undefined);
    suspect();
  }

  /** Stops reconciling. The interface and the row stay. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#engine.close();
    await this.#loop.stop();
  }

  async #reconcile(): Promise<void> {
    const { view, pods } = this.#deps;
    if (!view.synced) {
      // Open vSwitch is restarting and recreates its devices.
      this.#settled = undefined;
      this.#suspect = true;
      return;
    }
    const bridge = view.bridge();
    if (bridge === undefined || !pods.synced) return;
    const ports = this.#ports();
    const isWanted = !this.#deps.onDemand || this.#deps.all || ports.length > 0;
    if (isWanted !== this.#exists) this.#suspect = true;
    this.#exists = isWanted;
    if (!isWanted) return await this.#remove(bridge);
    const repairs = this.#suspect ? await this.#ensureDevice() : [];
    if (repairs === undefined) return;
    const outputPort = this.#outputPort();
    if (outputPort === undefined) return;
    const wanted = { outputPort, all: this.#deps.all, ports };
    this.#judge(wanted, [...repairs, ...(await this.#ensureRow(bridge, wanted))]);
  }

  /** The changes that were made; undefined while ovs-vswitchd has not created the device. */
  async #ensureDevice(): Promise<readonly string[] | undefined> {
    const { view, kernel, report } = this.#deps;
    if (this.#lost.removing(view)) return undefined;
    const index = (): number | undefined => kernel.link(MIRROR_INTERFACE)?.index;
    this.#suspect = false;
    const repairs: string[] = [];
    const pass = async (state: NodeState): Promise<void> => {
      const { failures, repairs: made } = await this.#engine.pass(state);
      repairs.push(...made);
      if (failures.length > 0) this.#fail(failures);
    };
    await pass({ ovs: mirrorState().ovs ?? {} });
    const state = mirrorState(index());
    if (index() === undefined) {
      this.#settled = undefined;
      // ovs-vswitchd is still creating it.
      if (repairs.length === 0 && (await this.#lost.step(view, [MIRROR_INTERFACE])))
        this.#loop.backOff(report.note([`device ${MIRROR_INTERFACE}`]));
      return undefined;
    }
    this.#lost.found();
    // The device is set up only after its packets are kept from the node's network stack.
    await pass(state);
    await pass({ ...state, links: [MIRROR_LINK] });
    return repairs;
  }

  async #remove(bridge: BridgeView): Promise<void> {
    const { view } = this.#deps;
    this.#settled = undefined;
    if (!this.#suspect) return;
    this.#suspect = false;
    const rows = planRemoval(this.#rows(bridge), this.#outputPort(), bridge._uuid);
    if (rows.length > 0) await view.transact(rows);
    const { failures } = await this.#engine.pass({ ovs: { ports: [] }, links: [], tables: [] });
    if (failures.length > 0) this.#fail(failures);
  }

  #outputPort(): string | undefined {
    const { view } = this.#deps;
    return view.portOf(view.interfaceNamed(MIRROR_INTERFACE)?._uuid ?? "");
  }

  #rows(bridge: BridgeView): readonly MirrorView[] {
    return bridge.mirrors.flatMap((uuid) => this.#deps.view.mirror.get("Mirror", uuid) ?? []);
  }

  #fail([failure]: Pass["failures"]): void {
    if (failure !== undefined) throw new Error(failure.what, { cause: failure.error });
  }

  async #ensureRow(bridge: BridgeView, wanted: WantedMirror): Promise<readonly string[]> {
    const { view, clock } = this.#deps;
    const operations = planMirror(wanted, this.#rows(bridge), bridge._uuid, () => clock.uuid());
    if (operations.length === 0) return [];
    await view.transact(operations);
    return ["mirror m0 of Open vSwitch"];
  }

  /** The ports whose pods have the annotation. */
  #ports(): readonly string[] {
    return this.#deps.view.podPorts().flatMap((port) => (this.#isMirrored(port) ? [port.portUuid] : []));
  }

  #isMirrored(port: PodPort): boolean {
    const { [EXTERNAL_ID.podNamespace]: namespace, [EXTERNAL_ID.podName]: name } = port.externalIds;
    const pod = this.#deps.pods.get(`${namespace}/${name}`);
    // Most pods do not have the annotation, so their ports' marks are not read.
    if (pod === undefined || requests(pod) === "") return false;
    const mark = markOfPort(port);
    if (mark === undefined || !pod.uids.includes(mark.uid)) return false;
    return [`${mark.provider}.${mark.ifName}`, mark.provider].some((provider) => isMirrored(pod.annotations, provider));
  }

  #judge(wanted: WantedMirror, changes: readonly string[]): void {
    const { log, report } = this.#deps;
    if (changes.length === 0) this.#settled = wanted;
    else if (this.#settled !== undefined && samePlain(wanted, this.#settled)) this.#loop.backOff(report.note(changes));
    else {
      this.#settled = undefined;
      log.info({ changes, ports: wanted.ports.length, all: wanted.all }, "mirror of pods' packets changed");
    }
    // Runs once more, to confirm that nothing is left to do.
    if (changes.length > 0) this.#loop.trigger();
  }

  #concernsDevice({ table, old, new: now }: OvsChange): boolean {
    if (table === "Bridge") return old === undefined || now === undefined;
    if (table === "Interface") return (now ?? old)?.name === MIRROR_INTERFACE;
    return table === "Open_vSwitch" && this.#lost.waiting;
  }
}

/** A pod's mirror annotations, as one text. */
function requests(pod: NodePod | undefined): string {
  const all = Object.entries(pod?.annotations ?? {}).filter(([key]) => key.endsWith("/mirror"));
  return all.length === 0 ? "" : JSON.stringify([pod?.uids, ...all]);
}

function isOfDevice(event: NetlinkEvent): boolean {
  return event.type === "link" && event.link.name === MIRROR_INTERFACE;
}

function mayDiffer({ table, old, new: now }: OvsChange): boolean {
  if (table === "Mirror") return true;
  if (table === "Bridge") return old?.mirrors.join() !== now?.mirrors.join();
  if (table !== "Interface") return false;
  return (now ?? old)?.external_ids[EXTERNAL_ID.podName] !== undefined && (old === undefined || now === undefined);
}
