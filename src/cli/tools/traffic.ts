// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../collections/plain.ts";
import { formatTable } from "../table.ts";

/** What an interface of a pod has received and sent, in bytes and packets, as the pod sees it. */
export interface TrafficCounters {
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly sentPackets: number;
}

/** A pod's traffic per second. */
export interface PodTraffic extends TrafficCounters {
  /** `namespace/name`. */
  readonly pod: string;
  readonly node: string;
}

/**
 * Parses `ovs-vsctl --format=json --columns=external_ids,statistics list Interface`: pod → its counters, those of its
 * interfaces added up. What the switch receives from a port, the pod has sent. Throws for other text.
 */
export function readCounters(text: string): ReadonlyMap<string, TrafficCounters> {
  const answer: unknown = JSON.parse(text);
  if (!isObject(answer) || !Array.isArray(answer["data"])) throw new Error("not a table of ovs-vsctl");
  const found = new Map<string, TrafficCounters>();
  for (const row of answer["data"] as readonly unknown[]) {
    if (!Array.isArray(row)) continue;
    const [ids, statistics] = row.map(mapOf);
    const [namespace, name] = [ids?.get("pod_namespace"), ids?.get("pod_name")];
    if (typeof namespace !== "string" || typeof name !== "string") continue;
    const figure = (key: string): number => Number(statistics?.get(key) ?? 0);
    const pod = `${namespace}/${name}`;
    const former = found.get(pod);
    found.set(pod, {
      receivedBytes: (former?.receivedBytes ?? 0) + figure("tx_bytes"),
      sentBytes: (former?.sentBytes ?? 0) + figure("rx_bytes"),
      receivedPackets: (former?.receivedPackets ?? 0) + figure("tx_packets"),
      sentPackets: (former?.sentPackets ?? 0) + figure("rx_packets"),
    });
  }
  return found;
}

/** A map of OVSDB in JSON: ["map", [[key, value], …]]. */
function mapOf(value: unknown): ReadonlyMap<unknown, unknown> {
  if (!Array.isArray(value) || value[0] !== "map" || !Array.isArray(value[1])) return new Map();
  const pairs: readonly unknown[] = value[1];
  return new Map(
    pairs.flatMap((pair) => (Array.isArray(pair) && pair.length === 2 ? [[pair[0], pair[1]] as const] : [])),
  );
}

/**
 * Traffic per second between two readings of a node, `seconds` apart; pods that only one of them has are left out,
 * decreased counters count as 0.
 */
export function trafficBetween(
  node: string,
  before: ReadonlyMap<string, TrafficCounters>,
  after: ReadonlyMap<string, TrafficCounters>,
  seconds: number,
): readonly PodTraffic[] {
  return [...after].flatMap(([pod, now]): readonly PodTraffic[] => {
    const then = before.get(pod);
    if (then === undefined) return [];
    const per = (key: keyof TrafficCounters): number => Math.max(0, now[key] - then[key]) / seconds;
    return [
      {
        ...{ pod, node, receivedBytes: per("receivedBytes"), sentBytes: per("sentBytes") },
        ...{ receivedPackets: per("receivedPackets"), sentPackets: per("sentPackets") },
      },
    ];
  });
}

/** The pods with the most traffic, the busiest first; `most` of them. */
export function busiest(traffic: readonly PodTraffic[], most: number): readonly PodTraffic[] {
  const total = ({ receivedBytes, sentBytes }: PodTraffic): number => receivedBytes + sentBytes;
  return traffic.toSorted((a, b) => total(b) - total(a) || (a.pod < b.pod ? -1 : 1)).slice(0, most);
}

/** As text: bits per second, as links are rated. */
export function formatTraffic(traffic: readonly PodTraffic[]): string {
  return formatTable(
    ["POD", "NODE", "RECEIVES", "SENDS", "PACKETS IN/S", "PACKETS OUT/S"],
    traffic.map(({ pod, node, receivedBytes, sentBytes, receivedPackets, sentPackets }) => [
      ...[pod, node, bits(receivedBytes), bits(sentBytes)],
      ...[receivedPackets, sentPackets].map((count) => String(Math.round(count))),
    ]),
  );
}

/** Bytes per second as bits per second, with a unit. */
export function bits(bytes: number): string {
  const value = bytes * 8;
  for (const [unit, size] of [
    ["Gbit/s", 1e9],
    ["Mbit/s", 1e6],
    ["kbit/s", 1e3],
  ] as const)
    if (value >= size) return `${(value / size).toFixed(1)} ${unit}`;
  return `${Math.round(value)} bit/s`;
}
