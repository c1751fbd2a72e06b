// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";

/** A limit: a rate, and a burst that passes at once. */
export interface Bandwidth {
  /** kbit/s, at least 1 */
  readonly rate: number;
  /** kbit, at least 1 */
  readonly burst: number;
}

/** Network emulation for packets to an interface, for tests (tc-netem(8)). */
export interface Netem {
  /** Milliseconds */
  readonly latency?: number;
  /** Milliseconds by which the latency varies */
  readonly jitter?: number;
  /** Length of the queue in packets */
  readonly limit?: number;
  /** Percent of packets that are dropped */
  readonly loss?: number;
}

/** The QoS of one interface, from the point of view of the pod or node. */
export interface Qos {
  /** To it; absent: not limited. */
  readonly ingress?: Bandwidth;
  /** From it; absent: not limited. */
  readonly egress?: Bandwidth;
  readonly netem?: Netem;
  /** The invalid annotations, and what is active instead; absent if all are valid. */
  readonly problem?: string;
  /** The interface must not be created: there is a problem and no earlier active value. */
  readonly refused?: true;
}

/** The QoS of a pod's interfaces, by provider. Those that have none are absent. */
export type PodQos = Readonly<Record<string, Qos>>;

/** The text of the annotation `weft.kubeovn.io/qos`; undefined where no interface has QoS. */
export function encodePodQos(qos: PodQos): string | undefined {
  const some = Object.entries(qos).filter(([, of]) => Object.keys(of).length > 0);
  if (some.length === 0) return undefined;
  return JSON.stringify(Object.fromEntries(some.toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

/** Parses the output of {@link encodePodQos}. Malformed parts and fields of a later version are left out. */
export function decodePodQos(text: string | undefined): PodQos {
  // Most pods have none.
  if (text === undefined) return {};
  const read = parse(text);
  const found: Record<string, Qos> = {};
  for (const [provider, of] of Object.entries(isObject(read) ? read : {}))
    if (isObject(of)) found[provider] = readQos(of);
  return found;
}

/** The record of one interface that has no QoS. */
export const NO_QOS = "{}";

/** The record of one interface. */
export function encodeQos(qos: Qos): string {
  return JSON.stringify(qos);
}

/** Parses the output of {@link encodeQos}, as {@link decodePodQos} does. */
export function decodeQos(text: string): Qos {
  const read = parse(text);
  return isObject(read) ? readQos(read) : {};
}

function readQos({ ingress, egress, netem, problem, refused }: Readonly<Record<string, unknown>>): Qos {
  const limits = { ingress: bandwidth(ingress), egress: bandwidth(egress), netem: emulation(netem) };
  return {
    ...(limits.ingress && { ingress: limits.ingress }),
    ...(limits.egress && { egress: limits.egress }),
    ...(limits.netem && { netem: limits.netem }),
    ...(typeof problem === "string" && { problem }),
    ...(refused === true && { refused }),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function bandwidth(value: unknown): Bandwidth | undefined {
  if (!isObject(value)) return undefined;
  const { rate, burst } = value;
  return isCount(rate) && isCount(burst) ? { rate, burst } : undefined;
}

function emulation(value: unknown): Netem | undefined {
  if (!isObject(value)) return undefined;
  const { latency, jitter, limit, loss } = value;
  return {
    ...(isCount(latency) && { latency }),
    ...(isCount(jitter) && { jitter }),
    ...(isCount(limit) && { limit }),
    ...(typeof loss === "number" && loss > 0 && loss <= 100 && { loss }),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 4_294_967_295;
}

/** For people: "10 Mbit/s (burst 8 Mbit)". */
export function showBandwidth({ rate, burst }: Bandwidth): string {
  return `${showKbit(rate)}/s (burst ${showKbit(burst)})`;
}

/** For people: "latency 10 ms, loss 1 %". */
export function showNetem({ latency, jitter, limit, loss }: Netem): string {
  const parts = [
    latency && `latency ${latency} ms`,
    jitter && `jitter ${jitter} ms`,
    limit && `limit ${limit} packets`,
    loss && `loss ${loss} %`,
  ];
  return parts.filter(Boolean).join(", ");
}

function showKbit(kbit: number): string {
  return kbit < 1_000 ? `${kbit} kbit` : `${kbit / 1_000} Mbit`;
}
