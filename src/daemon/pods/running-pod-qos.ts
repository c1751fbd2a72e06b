// SPDX-License-Identifier: Apache-2.0

import { POD } from "../../api/annotations.ts";
import { decodePodQos, type Netem, type Qos, showNetem } from "../../contract/qos-record.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import type { OvsChange, OvsView } from "../ovs/ovs-view.ts";
import { markOfPort } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PodPort } from "../ovs/ports.ts";
import { emulatedPorts, planQosRows, qosRows, type WantedQos } from "../ovs/qos-rows.ts";
import type { PodLinks } from "./pod-links.ts";
import type { NodePod } from "./pods.ts";

/** Dependencies of {@link PodQosRows}. */
export interface PodQosDependencies {
  readonly view: OvsView;
  readonly pods: {
    readonly synced: boolean;
    get(key: string): NodePod | undefined;
    whenSynced(): Promise<void>;
    subscribe(listener: (change: { readonly old?: NodePod; readonly new?: NodePod }) => void): () => void;
  };
  readonly links: Pick<PodLinks, "setNetem">;
  readonly clock: Pick<Clock, "now" | "after" | "uuid">;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Records a Warning about a pod. */
  warnPod(pod: NodePod, reason: string, message: string): void;
}

/** The emulation at a pod's end. */
interface Emulated {
  /** The text to be stored; "" for none. */
  readonly note: string;
  /** The kernel does not support it. */
  readonly isUnsupported: boolean;
}

/**
 * Keeps the rows of Open vSwitch's QoS equal to the QoS that is active on the node's pods. What a bandwidth annotation means: `src/contract/bandwidth-annotations.ts`;
 * the rows for it: `src/daemon/ovs/qos-rows.ts`. With the kernel datapath
 * the ports reference their QoS. With the userspace datapath they do not: one socket sends to all pods of a node
 * there, and packets that wait in one pod's queue block those to other pods (`docs/design/qos.md`). There only OVN's
 * meters enforce rates (`src/compile/qos-row.ts`), and a netem at the pod's end emulates on packets that leave the pod. If emulation is not
 * possible, an Event reports it.
 */
export class PodQosRows {
  readonly #deps: PodQosDependencies;
  readonly #loop: ReconcileLoop;
  readonly #stops: (() => void)[] = [];
  /** What was last reported, by uid of the pod and provider. */
  #reported = new Map<string, string>();

  constructor(deps: PodQosDependencies) {
    this.#deps = deps;
    const onError = (error: unknown, retryMs: number): void =>
      deps.log.warn({ err: error, retryMs }, "failed to change QoS rows of Open vSwitch; retrying");
    this.#loop = new ReconcileLoop(() => this.#reconcile(), onError, {}, deps.clock);
  }

  start(): void {
    const { view, pods } = this.#deps;
    const trigger = (): void => this.#loop.trigger();
    this.#stops.push(
      pods.subscribe(({ old, new: now }) => {
        if (old?.annotations[POD.qos] !== now?.annotations[POD.qos]) this.#loop.hurry();
      }),
      view.mirror.onSyncedChange(trigger),
      view.mirror.subscribe((changes) => {
        if (changes.some(mayDiffer)) trigger();
      }),
    );
    pods.whenSynced().then(trigger, () => undefined);
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#loop.stop();
  }

  async #reconcile(): Promise<void> {
    const { view, pods, clock, log } = this.#deps;
    const bridge = view.bridge();
    if (!view.synced || !pods.synced || bridge === undefined) return;
    const isKernel = bridge.datapath_type !== "netdev";
    const reported = new Map<string, string>();
    const qosRowsFound = [...view.mirror.rows("QoS")];
    const emulated = emulatedPorts(qosRowsFound);
    const wanted: WantedQos[] = [];
    const failures = new Map<string, Error>();
    for (const port of view.podPorts()) {
      const { [EXTERNAL_ID.ifaceId]: ifaceId = "" } = port.externalIds;
      const found = this.#qosOf(port);
      const before = emulated.get(ifaceId);
      // Most pods have neither.
      if (found === undefined && before === undefined) continue;
      const emulation = await this.#emulate(port, isKernel ? undefined : found?.qos.netem, before);
      if (emulation instanceof Error) failures.set(ifaceId, emulation);
      if (emulation instanceof Error || found === undefined) continue;
      const { note, isUnsupported } = emulation;
      this.#report(found, { isKernel, isUnsupported }, reported);
      const pod = `${found.pod.namespace}/${found.pod.name}`;
      const rows = qosRows({ portUuid: port.portUuid, ifaceId, pod }, found.qos);
      if (rows !== undefined) wanted.push({ ...rows, ...(note !== "" && { emulated: note }) });
    }
    this.#reported = reported;
    // The rows of a port whose emulation failed stay as they are: they record the present emulation.
    const isPlanned = ({ external_ids: ids }: { readonly external_ids: Readonly<Record<string, string>> }): boolean =>
      !failures.has(ids[EXTERNAL_ID.ifaceId] ?? "");
    const found = {
      qos: qosRowsFound.filter(isPlanned),
      queues: [...view.mirror.rows("Queue")].filter(isPlanned),
      ofPorts: new Map([...view.mirror.rows("Port")].flatMap(({ _uuid, qos }) => (qos ? [[_uuid, qos] as const] : []))),
    };
    const operations = planQosRows(wanted, found, isKernel, () => clock.uuid());
    if (operations.length > 0) {
      await view.transact(operations);
      log.info({ operations: operations.length }, "QoS rows of Open vSwitch changed");
    }
    const [failure] = failures.values();
    if (failure !== undefined) throw failure;
  }

  /** Sets or removes the emulation at the pod's end. An error concerns only that pod, which may have changed its end. */
  async #emulate(port: PodPort, netem: Netem | undefined, before = ""): Promise<Emulated | Error> {
    const none = { note: "", isUnsupported: false };
    const mark = markOfPort(port);
    if ((netem === undefined && before === "") || mark?.netns === undefined) return none;
    const { netns, ifName, containerId } = mark;
    // A recreated sandbox has no emulation.
    const now = netem === undefined ? "" : `${containerId} ${JSON.stringify(netem)}`;
    if (now === before) return { note: now, isUnsupported: false };
    try {
      const result = await this.#deps.links.setNetem(netns, ifName, netem);
      return result === "done"
        ? { note: now, isUnsupported: false }
        : { ...none, isUnsupported: result === "unsupported" };
    } catch (cause) {
      const { [EXTERNAL_ID.podNamespace]: namespace, [EXTERNAL_ID.podName]: name } = port.externalIds;
      return new Error(`failed to set the netem of ${ifName} of pod ${namespace}/${name}`, { cause });
    }
  }

  #qosOf(port: PodPort): { pod: NodePod; provider: string; qos: Qos } | undefined {
    const { [EXTERNAL_ID.podNamespace]: namespace, [EXTERNAL_ID.podName]: name } = port.externalIds;
    const pod = this.#deps.pods.get(`${namespace}/${name}`);
    // Most pods have no QoS, so their ports' marks are not read.
    if (pod?.annotations[POD.qos] === undefined) return undefined;
    const mark = markOfPort(port);
    if (mark === undefined || !pod.uids.includes(mark.uid)) return undefined;
    const all = decodePodQos(pod.annotations[POD.qos]);
    const provider = [`${mark.provider}.${mark.ifName}`, mark.provider].find((one) => all[one] !== undefined);
    const qos = provider === undefined ? undefined : all[provider];
    return provider === undefined || qos === undefined ? undefined : { pod, provider, qos };
  }

  #report(
    { pod, provider, qos }: { readonly pod: NodePod; readonly provider: string; readonly qos: Qos },
    where: { readonly isKernel: boolean; readonly isUnsupported: boolean },
    reported: Map<string, string>,
  ): void {
    const why = notApplied(qos, where);
    if (why === undefined) return;
    const key = `${pod.uids.join()}/${provider}`;
    const message = `interface of ${provider}: ${why}`;
    reported.set(key, message);
    if (this.#reported.get(key) !== message) this.#deps.warnPod(pod, "QoSNotApplied", message);
  }
}

/** Why a requested emulation is not enforced; undefined if it is. */
function notApplied(
  { ingress, netem }: Qos,
  { isKernel, isUnsupported }: { readonly isKernel: boolean; readonly isUnsupported: boolean },
): string | undefined {
  if (netem === undefined) return undefined;
  const what = showNetem(netem);
  if (isUnsupported)
    return `${what} is not enforced: the kernel of this node has no sch_netem (CONFIG_NET_SCH_NETEM); the row of Open vSwitch is for information`;
  return ingress === undefined || !isKernel
    ? undefined
    : `${what} is not enforced: a port has one QoS, and ingress_rate has priority; remove either`;
}

function mayDiffer({ table, old, new: now }: OvsChange): boolean {
  switch (table) {
    case "QoS":
    case "Queue":
      return true;
    case "Port":
      return old?.qos !== now?.qos;
    case "Interface":
      return (now ?? old)?.external_ids[EXTERNAL_ID.podName] !== undefined && (old === undefined || now === undefined);
    default:
      return false;
  }
}
