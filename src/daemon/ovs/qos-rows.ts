// SPDX-License-Identifier: Apache-2.0

import { VENDOR } from "../../api/names.ts";
import type { Qos } from "../../contract/qos-record.ts";
import { VSWITCH, type VswitchTables } from "../../ovsdb/generated/vswitch.ts";
import { insert, type Operation, remove, update } from "../../ovsdb/operation.ts";
import { EXTERNAL_ID } from "./ports.ts";

type Settings = Readonly<Record<string, string>>;

/**
 * The rows of one port's QoS in Open vSwitch's database, in the form that Kube-OVN's tools expect
 * (ovs-vswitchd.conf.db(5), `QoS` and `Queue`).
 */
export interface WantedQos {
  readonly portUuid: string;
  /** The logical port. */
  readonly ifaceId: string;
  /** `namespace/name` */
  readonly pod: string;
  readonly type: "linux-htb" | "linux-netem";
  readonly settings: Settings;
  /** The emulation that is set at the pod's end, and the sandbox: stored here to survive a restart. */
  readonly emulated?: string;
  /** For an htb: the settings of its one queue. */
  readonly queue?: Settings;
}

/** A row of `QoS` or `Queue`, as far as it is mirrored. */
export type QosView = Pick<VswitchTables["QoS"], "type" | "queues" | "other_config" | "external_ids"> & {
  readonly _uuid: string;
};
export type QueueView = Pick<VswitchTables["Queue"], "other_config" | "external_ids"> & { readonly _uuid: string };

/** In external_ids of a row of `QoS` or `Queue`: {@link WantedQos.emulated}. */
const EMULATED = "weft-netem";

/** Logical port → the emulation at the pod's end, according to Weft's rows. */
export function emulatedPorts(rows: readonly QosView[]): ReadonlyMap<string, string> {
  const ours = rows.filter(({ external_ids: ids }) => ids[EXTERNAL_ID.vendor] === VENDOR && ids[EMULATED]);
  return new Map(ours.map(({ external_ids: ids }) => [ids[EXTERNAL_ID.ifaceId] ?? "", ids[EMULATED] ?? ""]));
}

/** The present rows. */
export interface FoundQos {
  readonly qos: readonly QosView[];
  readonly queues: readonly QueueView[];
  /** The uuid of a port → that of its QoS. */
  readonly ofPorts: ReadonlyMap<string, string>;
}

/**
 * The rows for what is active on a port; undefined where there are none. Open vSwitch has one QoS for a port: a rate goes before emulation, as in
 * Kube-OVN. What leaves the pod has no row here: OVN's meters, which exist for both directions, limit it (`src/compile/qos-row.ts`).
 */
export function qosRows(port: Pick<WantedQos, "portUuid" | "ifaceId" | "pod">, qos: Qos): WantedQos | undefined {
  const { ingress, netem } = qos;
  if (ingress !== undefined) {
    const queue = { "max-rate": `${ingress.rate * 1_000}`, burst: `${ingress.burst * 1_000}` };
    return { ...port, type: "linux-htb", settings: {}, queue };
  }
  if (netem === undefined) return undefined;
  const { latency, jitter, limit, loss } = netem;
  const settings = {
    ...(latency && { latency: `${latency * 1_000}` }),
    ...(jitter && { jitter: `${jitter * 1_000}` }),
    ...(limit && { limit: `${limit}` }),
    ...(loss && { loss: `${loss}` }),
  };
  return { ...port, type: "linux-netem", settings };
}

/**
 * The operations that make Weft's rows the wanted ones; only rows that differ are changed, and a changed rate changes
 * only its queue. `bind`: the ports reference their QoS, so that Open vSwitch enforces it. Otherwise the rows are
 * only informative.
 */
export function planQosRows(
  wanted: readonly WantedQos[],
  found: FoundQos,
  bind: boolean,
  uuid: () => string,
): readonly Operation[] {
  const operations: Operation[] = [];
  const ours = <T extends QosView | QueueView>(rows: readonly T[]): Map<string, T[]> =>
    Map.groupBy(
      rows.filter(({ external_ids: ids }) => ids[EXTERNAL_ID.vendor] === VENDOR && ids[EXTERNAL_ID.ifaceId]),
      ({ external_ids: ids }) => ids[EXTERNAL_ID.ifaceId] ?? "",
    );
  const [qosOf, queuesOf] = [ours(found.qos), ours(found.queues)];
  const setPort = (portUuid: string, qos: string | undefined): void =>
    void operations.push(update(VSWITCH, "Port", portUuid, { qos }));
  for (const want of wanted) {
    const [has, ...doubles] = qosOf.get(want.ifaceId) ?? [];
    const [queue, ...more] = queuesOf.get(want.ifaceId) ?? [];
    qosOf.set(want.ifaceId, doubles);
    queuesOf.set(want.ifaceId, more);
    const external_ids = {
      ...{ [EXTERNAL_ID.ifaceId]: want.ifaceId, [EXTERNAL_ID.vendor]: VENDOR },
      pod: want.pod,
      ...(want.emulated !== undefined && { [EMULATED]: want.emulated }),
    };
    const queueUuid = want.queue && (queue?._uuid ?? uuid());
    if (want.queue !== undefined && queueUuid !== undefined) {
      const columns = { other_config: want.queue, external_ids };
      if (queue === undefined) operations.push(insert(VSWITCH, "Queue", queueUuid, columns));
      else if (!same(queue.other_config, want.queue) || !same(queue.external_ids, external_ids))
        operations.push(update(VSWITCH, "Queue", queueUuid, columns));
    } else if (queue !== undefined) queuesOf.set(want.ifaceId, [queue, ...more]);
    const qosUuid = has?._uuid ?? uuid();
    const queues = queueUuid === undefined ? {} : { 0: queueUuid };
    const columns = { type: want.type, queues, other_config: want.settings, external_ids };
    if (has === undefined) operations.push(insert(VSWITCH, "QoS", qosUuid, columns));
    else if (!isQos(has, columns)) operations.push(update(VSWITCH, "QoS", qosUuid, columns));
    const bound = bind ? qosUuid : undefined;
    const present = found.ofPorts.get(want.portUuid);
    // Another program's QoS stays if Weft's is not to be bound.
    if (present !== bound && (bind || present === has?._uuid)) setPort(want.portUuid, bound);
  }
  const gone = new Set([...qosOf.values()].flat().map(({ _uuid }) => _uuid));
  for (const [port, qos] of found.ofPorts) {
    if (gone.has(qos) && !wanted.some(({ portUuid }) => bind && portUuid === port)) setPort(port, undefined);
  }
  for (const row of gone) operations.push(remove(VSWITCH, "QoS", row));
  for (const { _uuid } of [...queuesOf.values()].flat()) operations.push(remove(VSWITCH, "Queue", _uuid));
  return operations;
}

function isQos(has: QosView, want: Omit<QosView, "_uuid">): boolean {
  return (
    has.type === want.type &&
    has.queues[0] === want.queues[0] &&
    same(has.other_config, want.other_config) &&
    same(has.external_ids, want.external_ids)
  );
}

function same(a: Settings, b: Settings): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
