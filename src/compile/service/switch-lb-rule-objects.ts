// SPDX-License-Identifier: Apache-2.0

import { routerRuleServiceName, ruleServiceName, ruleSliceName } from "../../api/names.ts";
import { samePlain } from "../../collections/plain.ts";
import type { CustomObjectFact } from "../../facts/meta.ts";
import type { EndpointSliceFact, ServiceFact } from "../../facts/service.ts";
import type { RuleServiceFact } from "../../facts/vip-service.ts";
import type { Dual } from "../../net/dual.ts";
import type { WeftEffect } from "../effects.ts";
import { dropObject, makeObject, ownedBy, patchObject } from "../owned-object.ts";

/** The manager of Weft's EndpointSlices (discovery.k8s.io/v1, label `endpointslice.kubernetes.io/managed-by`). */
const MANAGED_BY = "weft.kubeovn.io";

/** The Service of a rule. */
export interface WantedService extends RuleServiceFact {
  readonly key: string;
  readonly namespace: string;
}

/** The rule that a Service is for. */
export interface RuleOfService extends CustomObjectFact {
  /** Its Service; absent if the spec is invalid. */
  readonly service?: RuleServiceFact & { readonly namespace: string };
  readonly endpoints: readonly string[];
}

/** A kind of rules that have Services. */
export interface RuleKind {
  readonly kind: "SwitchLBRule" | "RouterLBRule";
  /** The Service's name, by the rule's. */
  readonly serviceName: (rule: string) => string;
}

/** SwitchLBRules. */
export const SWITCH_RULES: RuleKind = { kind: "SwitchLBRule", serviceName: ruleServiceName };
/** RouterLBRules. */
export const ROUTER_RULES: RuleKind = { kind: "RouterLBRule", serviceName: routerRuleServiceName };

/** The wanted Service of a rule, with the families that Services of the cluster have; undefined while the rule's spec is invalid. */
export function wantedService(
  { serviceName }: RuleKind,
  { name, service }: RuleOfService,
  serviceCidr: Readonly<Dual<string>>,
): WantedService | undefined {
  if (service === undefined) return undefined;
  const { v4, v6 } = serviceCidr;
  const served = [...(v4 ? ["IPv4"] : []), ...(v6 ? ["IPv6"] : [])];
  const families = service.families.filter((family) => served.length === 0 || served.includes(family));
  return { ...service, families, key: `${service.namespace}/${serviceName(name)}` };
}

/** The effects that create the Service of a rule, or restore it. If an immutable field differs, the Service is recreated. */
export function ruleService(
  { kind, serviceName }: RuleKind,
  rule: RuleOfService,
  wanted: WantedService,
  service: ServiceFact | undefined,
): readonly WeftEffect[] {
  const { namespace, annotations, selector, ports, sessionAffinity, families } = wanted;
  if (families.length === 0) return [];
  const metadata = { name: serviceName(rule.name), namespace, ownerReferences: ownedBy(kind, rule) };
  const spec = {
    ports: ports.map(({ name, ...rest }) => ({ ...(name !== "" && { name }), ...rest })),
    sessionAffinity,
    ipFamilies: families,
    ipFamilyPolicy: families.length > 1 ? "PreferDualStack" : "SingleStack",
  };
  if (service === undefined) {
    const body = {
      metadata: { ...metadata, annotations },
      spec: { ...spec, type: "ClusterIP", clusterIP: "None", selector },
    };
    return [makeObject("services", body)];
  }
  const { written, ruleUid } = service;
  if (written === undefined) return [];
  const { headless, ...present } = written;
  const { key: _, namespace: __, ...asked } = wanted;
  if (ruleUid === rule.uid && headless && samePlain(present, asked)) return [];
  // The first family is immutable, and a Service that loses its selector keeps its EndpointSlices.
  const selects = (of: RuleServiceFact): boolean => Object.keys(of.selector).length > 0;
  if (!headless || present.families[0] !== families[0] || selects(present) !== selects(asked))
    return [dropObject("services", service)];
  const body = {
    metadata: { ...metadata, annotations: { ...nulls(present.annotations), ...annotations } },
    spec: { ...spec, selector: { ...nulls(present.selector), ...selector } },
  };
  return [patchObject("services", service, body)];
}

function nulls(keys: Readonly<Record<string, unknown>>): Readonly<Record<string, null>> {
  return Object.fromEntries(Object.keys(keys).map((key) => [key, null]));
}

/** The EndpointSlices of a rule with `endpoints`, one for each family: their keys, and the effects that create or restore them. */
export function ruleSlices(
  { kind, serviceName }: RuleKind,
  rule: RuleOfService,
  { namespace, key: service, ports }: WantedService,
  slices: readonly EndpointSliceFact[],
): { readonly keys: readonly string[]; readonly effects: readonly WeftEffect[] } {
  const numbers = ports.map(({ name, protocol, targetPort: port }) => ({ name, protocol, port }));
  const wanted = (["IPv4", "IPv6"] as const).flatMap((family) => {
    const addresses = rule.endpoints.filter((address) => address.includes(":") === (family === "IPv6"));
    if (addresses.length === 0) return [];
    const name = ruleSliceName(serviceName(rule.name), family);
    const key = `${namespace}/${name}`;
    const present = slices.find((slice) => slice.key === key);
    const same =
      present?.ruleUid === rule.uid &&
      present.service === service &&
      present.endpoints.every(({ state }) => state === "ready") &&
      samePlain(
        present.endpoints.map(({ address }) => address),
        addresses,
      ) &&
      samePlain(present.ports, numbers);
    if (same) return { key, effects: [] };
    const labels = {
      "kubernetes.io/service-name": serviceName(rule.name),
      "endpointslice.kubernetes.io/managed-by": MANAGED_BY,
    };
    const body = {
      metadata: { name, namespace, labels, ownerReferences: ownedBy(kind, rule) },
      endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
      ports: numbers,
    };
    const effect =
      present === undefined
        ? makeObject("endpointSlices", { ...body, addressType: family })
        : patchObject("endpointSlices", present, body);
    return { key, effects: [effect] };
  });
  return { keys: wanted.map(({ key }) => key), effects: wanted.flatMap(({ effects }) => effects) };
}
