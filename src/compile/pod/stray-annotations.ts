// SPDX-License-Identifier: Apache-2.0

import { annotationDomain, interfaceAnnotation, OVN_PROVIDER, POD } from "../../api/annotations.ts";
import { allocatedProviders, podInterfaces } from "../../claims/pod-interfaces.ts";
import { POD_RULES, ruleFor } from "../../facts/annotation-rules.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import type { ReportEffect } from "../effects.ts";
import { reportPod } from "../reports.ts";

/** What a pod's annotations ask of interfaces that it does not have, such as a limit under the name of another network. */
export interface StrayAnnotations {
  readonly keys: readonly string[];
  /** The providers of those that it has. */
  readonly providers: readonly string[];
}

/** So many are named in an Event. */
const SHOWN = 5;

/** Annotations of the primary interface alone, which have no provider. Those of the bandwidth plugin may be for another plugin. */
const OF_PRIMARY: readonly string[] = [POD.vip, POD.northGateway];
const BANDWIDTH: readonly string[] = [POD.ingressBandwidth, POD.egressBandwidth];

/** Finds them; undefined if there are none. Nothing is known to be astray while it is not clear which interfaces a pod is to have. */
export function strayAnnotations(reader: FactReader, pod: PodFact): StrayAnnotations | undefined {
  const own = annotationDomain(OVN_PROVIDER);
  const mayLackOwn = pod.replacesPrimary === true || reader.get("cluster", "cluster")?.nonPrimary === true;
  const mayLackBandwidth = pod.replacesPrimary === true;
  const asked = Object.keys(pod.annotations).filter((key) =>
    BANDWIDTH.includes(key) ? mayLackBandwidth : (mayLackOwn || !key.startsWith(`${own}/`)) && isOfInterface(key),
  );
  if (asked.length === 0) return undefined;
  const { interfaces, unclear } = podInterfaces(reader, pod);
  if (unclear.length > 0) return undefined;
  const providers = interfaces.map(({ provider }) => provider);
  // What it has been given and is to have no more is taken away with its annotations.
  const domains = new Set([...providers, ...allocatedProviders(pod)].map(annotationDomain));
  const fixed = new Set(
    interfaces.flatMap(({ network }) =>
      network === undefined || network.interface === ""
        ? []
        : (["ip_address", "mac_address"] as const).map((key) =>
            interfaceAnnotation(network.name, network.namespace, key, network.interface),
          ),
    ),
  );
  // Where another plugin creates eth0, it may limit it.
  const isEth0Ours = interfaces.some(({ onOvn, network }) => onOvn && network?.isDefault === true);
  const isAstray = (key: string): boolean =>
    BANDWIDTH.includes(key)
      ? isEth0Ours && !providers.includes(OVN_PROVIDER)
      : !domains.has(key.slice(0, key.indexOf("/"))) && !fixed.has(key);
  const keys = asked.filter(isAstray);
  return keys.length === 0 ? undefined : { keys: keys.sort(), providers };
}

/** The Event that names them. */
export function reportStrayAnnotations(pod: PodFact, { keys, providers }: StrayAnnotations): ReportEffect {
  const more = keys.length > SHOWN ? ` and ${keys.length - SHOWN} more` : "";
  const has = providers.length === 0 ? "none" : providers.map(annotationDomain).join(", ");
  const message = `annotations ${keys.slice(0, SHOWN).join(", ")}${more} belong to no interface of the pod and have no effect; annotations of its interfaces begin with: ${has}`;
  return reportPod(pod, "stray", "InterfaceNotFound", message);
}

/** `key`: of an annotation of ours (`ourAnnotations`). DHCP options have no rule: their reader reports the invalid ones. */
function isOfInterface(key: string): boolean {
  const rule = ruleFor(key, POD_RULES);
  if (rule === undefined) return /\.kubernetes\.io\/dhcp-v[46]-options$/.test(key);
  return rule.scope !== "exact" || OF_PRIMARY.includes(key);
}
