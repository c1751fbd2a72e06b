// SPDX-License-Identifier: Apache-2.0

import { POD } from "../../api/annotations.ts";
import { podInterfaces } from "../../claims/pod-interfaces.ts";
import { commaList } from "../../collections/comma-list.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import type { ReportEffect } from "../effects.ts";
import { reportPod } from "../reports.ts";

/** The Vips that a pod names in order to share their addresses (`ovn.kubernetes.io/aaps`) and cannot have. */
export interface StrayVips {
  /** Names of Vips that do not exist, or are not for its namespace. */
  readonly unknown: readonly string[];
  /** Vips of subnets in which the pod has no interface. */
  readonly elsewhere: readonly { readonly name: string; readonly subnet: string }[];
}

/** For pods without such Vips. */
export const NO_STRAYS: StrayVips = { unknown: [], elsewhere: [] };

/** Finds them. The pod's subnets are known when all its interfaces have their records. */
export function strayVips(reader: FactReader, pod: PodFact): StrayVips {
  const { annotations, namespace, holder } = pod;
  const named = annotations[POD.aaps];
  if (named === undefined) return NO_STRAYS;
  const ips = reader.by("ips", "holder", holder);
  const subnets = new Set(ips.map(({ subnet }) => subnet));
  const { interfaces, unclear } = podInterfaces(reader, pod);
  const isSettled =
    unclear.length === 0 && interfaces.every(({ provider }) => ips.some((ip) => ip.provider === provider));
  const unknown: string[] = [];
  const elsewhere: { name: string; subnet: string }[] = [];
  for (const name of new Set(commaList(named))) {
    const vip = reader.get("vips", name);
    if (vip?.namespace !== namespace) unknown.push(name);
    else if (isSettled && !subnets.has(vip.subnet)) elsewhere.push({ name, subnet: vip.subnet });
  }
  return { unknown, elsewhere };
}

/** The Events about them. */
export function reportStrayVips(pod: PodFact, { unknown, elsewhere }: StrayVips): readonly ReportEffect[] {
  const reports: ReportEffect[] = [];
  if (unknown.length > 0) {
    const shown = unknown.map((vip) => `"${vip}"`).join(", ");
    const message = `annotation ${POD.aaps} names ${shown}, which is not a Vip of namespace "${pod.namespace}"; the pod does not get its address`;
    reports.push(reportPod(pod, "vips", "VipNotFound", message));
  }
  if (elsewhere.length > 0) {
    const shown = elsewhere.map((vip) => `"${vip.name}" of subnet "${vip.subnet}"`).join(", ");
    const message = `annotation ${POD.aaps} names Vip ${shown}, in which the pod has no interface; the pod does not get its address`;
    reports.push(reportPod(pod, "vip-subnets", "VipInOtherSubnet", message));
  }
  return reports;
}
