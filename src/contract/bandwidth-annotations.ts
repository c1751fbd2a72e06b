// SPDX-License-Identifier: Apache-2.0

import { annotationDomain, OVN_PROVIDER, POD } from "../api/annotations.ts";
import { quoted } from "../api/text.ts";
import type { Annotations } from "./annotations.ts";
import type { Bandwidth, Netem } from "./qos-record.ts";

/** A user's request for one direction or for emulation: none, a value, or an invalid one. */
export type Asked<T> =
  | { readonly state: "absent" }
  | { readonly state: "valid"; readonly value: T }
  | { readonly state: "invalid"; readonly annotation: string; readonly problem: string };

/** The requests of annotations for one interface. */
export interface QosRequest {
  /** To the interface. */
  readonly ingress: Asked<Bandwidth>;
  /** From it. */
  readonly egress: Asked<Bandwidth>;
  readonly netem: Asked<Netem>;
}

/** The directions, by their names in annotations. */
export const DIRECTIONS = ["ingress", "egress"] as const;
export type QosDirection = (typeof DIRECTIONS)[number];

/** OVN's QoS has 32 bits for kbit/s, and for kbit of a burst (ovn-nb(5), `QoS.bandwidth`). */
const MAX_KBIT = 4_294_967_295;
const MAX_MBIT = Math.floor(MAX_KBIT / 1_000);
/**
 * kbit: a packet of 9,000 bytes with its headers. A packet that is larger than the burst never passes a meter of the userspace datapath (Open vSwitch
 * lib/dpif-netdev.c, `dp_netdev_run_meter`); the kernel's meter adds the amount of one second at the rate (net/openvswitch/meter.c).
 */
const MIN_BURST = 80;
const ABSENT = { state: "absent" } as const;

/**
 * Parses the annotations for the interface of a provider: Kube-OVN's (Mbit/s, Mbit, ms, packets, percent), and for a pod's own interface also the
 * bandwidth plugin's `kubernetes.io/ingress-bandwidth` and `egress-bandwidth` (a Kubernetes quantity of bit/s) if Kube-OVN's is absent. A rate of 0
 * is no limit. The default burst is 80 % of the amount of one second at the rate, as in Kube-OVN, but at least a packet of any usual MTU.
 */
export function readQosRequest(annotations: Annotations, provider: string): QosRequest {
  return {
    ingress: readBandwidth(annotations, provider, "ingress"),
    egress: readBandwidth(annotations, provider, "egress"),
    netem: readNetem(annotations, provider),
  };
}

function readBandwidth(annotations: Annotations, provider: string, direction: QosDirection): Asked<Bandwidth> {
  const read = (key: string): { annotation: string; text: string } => {
    const annotation = `${annotationDomain(provider)}/${key}`;
    return { annotation, text: annotations[annotation]?.trim() ?? "" };
  };
  const { annotation, text } = read(`${direction}_rate`);
  const upstream = direction === "ingress" ? POD.ingressBandwidth : POD.egressBandwidth;
  const burst = read(`${direction}_burst`);
  const plain = annotations[upstream]?.trim() ?? "";
  const rate =
    text === "" && provider === OVN_PROVIDER && plain !== ""
      ? readQuantity(upstream, plain)
      : readRate(annotation, text);
  if (rate.state === "invalid") return rate;
  if (burst.text === "") {
    return rate.state === "absent"
      ? rate
      : valid({ rate: rate.value, burst: Math.max(MIN_BURST, Math.floor(rate.value * 0.8)) });
  }
  if (rate.state === "absent") {
    if (text !== "") return ABSENT;
    return invalid(
      burst.annotation,
      burst.text,
      `there is no rate; set ${annotation} (Mbit/s) as well, or remove the burst`,
    );
  }
  const mbit = wholeNumber(burst.text);
  if (mbit === 0) {
    const why = "a burst must let at least one packet of the MTU through; it must be 1 or more (Mbit)";
    return invalid(burst.annotation, burst.text, `${why}, or absent for 80 % of the rate`);
  }
  if (mbit === undefined || mbit > MAX_MBIT)
    return invalid(burst.annotation, burst.text, `it must be a whole number from 1 to ${MAX_MBIT} (Mbit)`);
  return valid({ rate: rate.value, burst: mbit * 1_000 });
}

function readRate(annotation: string, text: string): Asked<number> {
  if (text === "") return ABSENT;
  const mbit = wholeNumber(text);
  if (mbit === undefined || mbit > MAX_MBIT)
    return invalid(annotation, text, `it must be a whole number from 1 to ${MAX_MBIT} (Mbit/s), or 0 for no limit`);
  return mbit === 0 ? ABSENT : valid(mbit * 1_000);
}

const SUFFIXES: Readonly<Record<string, number>> = {
  ...{ "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 },
};

/** A quantity (Kubernetes' `resource.Quantity`) of bit/s. */
function readQuantity(annotation: string, text: string): Asked<number> {
  const [, number = "", exponent = "", suffix = ""] =
    /^\+?([0-9]+(?:[.][0-9]*)?|[.][0-9]+)(?:[eE]([+-]?[0-9]{1,2})|(k|M|G|T|Ki|Mi|Gi|Ti))?$/.exec(text) ?? [];
  const bit = Number(number) * (SUFFIXES[suffix] ?? 1) * 10 ** Number(exponent || 0);
  const kbit = Math.round(bit / 1_000);
  if (number === "" || bit < 1_000 || kbit > MAX_KBIT)
    return invalid(annotation, text, `it must be a quantity of bit/s from 1k to ${MAX_MBIT}M, such as 10M`);
  return valid(kbit);
}

function readNetem(annotations: Annotations, provider: string): Asked<Netem> {
  const found: { latency?: number; jitter?: number; limit?: number; loss?: number } = {};
  for (const key of ["latency", "jitter", "limit", "loss"] as const) {
    const annotation = `${annotationDomain(provider)}/${key}`;
    const text = annotations[annotation]?.trim() ?? "";
    if (text === "") continue;
    const { most, wanted } = NETEM_LIMITS[key];
    const value = key === "loss" && /^[0-9]{1,3}([.][0-9]{1,6})?$/.test(text) ? Number(text) : wholeNumber(text);
    if (value === undefined || value > most) return invalid(annotation, text, `it must be ${wanted}, or 0 for none`);
    if (value > 0) found[key] = value;
  }
  return Object.keys(found).length === 0 ? ABSENT : valid(found);
}

/** netem counts microseconds in 32 bits (linux/pkt_sched.h, `struct tc_netem_qopt`). */
const NETEM_LIMITS = {
  latency: { most: 4_294_967, wanted: "a whole number of milliseconds, at most 4294967" },
  jitter: { most: 4_294_967, wanted: "a whole number of milliseconds, at most 4294967" },
  limit: { most: 4_294_967_295, wanted: "a whole number of packets, at most 4294967295" },
  loss: { most: 100, wanted: "a number from 0 to 100 (percent)" },
} as const;

function wholeNumber(text: string): number | undefined {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

function valid<T>(value: T): Asked<T> {
  return { state: "valid", value };
}

function invalid(annotation: string, text: string, wanted: string): Asked<never> {
  return {
    state: "invalid",
    annotation,
    problem: `annotation ${annotation} is ${quoted(text)}, which is invalid: ${wanted}`,
  };
}
