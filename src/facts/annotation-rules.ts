// SPDX-License-Identifier: Apache-2.0

import { annotationDomain, NAMESPACE, OVN_PROVIDER, POD, type PodRequestKey, SERVICE } from "../api/annotations.ts";
import { quoted } from "../api/text.ts";
import {
  ADDRESS_LIST,
  ADDRESSES,
  ANNOUNCED,
  BOOLEAN,
  CIDRS,
  FAMILY,
  type Form,
  isOfForm,
  MAC,
  NETWORKS,
  NUMBER,
  OBJECT_NAME,
  OBJECT_NAMES,
  PERCENT,
  POOL,
  RANGES,
  ROUTES,
} from "./annotation-forms.ts";

/**
 * The annotations `<domain>/<key>` that a rule applies to: - `exact`: the one with the full name `key`;
 * - `ovn`: those of a pod's interfaces on OVN, primary and secondary;
 * - `any`: also those of interfaces that only get their addresses from us. Not for a key that can be the name of a container, because
 *   `container.apparmor.security.beta.kubernetes.io/<container>` looks like one of these.
 * - `named`: also with the interface's name behind the key, `<nad>.<ns>.kubernetes.io/ip_address.<interface>`.
 */
export type AnnotationScope = "exact" | "ovn" | "any" | "named";

/** The form of annotations of a name. */
export interface AnnotationRule {
  readonly scope: AnnotationScope;
  readonly key: string;
  readonly form: Form;
  /**
   * How an invalid value is treated: as absent, as a value that denies, or reduced to its valid `parts`; `kept` if its reader rejects it with a more
   * specific message.
   */
  readonly otherwise: "absent" | "parts" | "kept" | { readonly value: string };
}

function of(
  scope: AnnotationScope,
  key: string,
  form: Form,
  otherwise: AnnotationRule["otherwise"] = "absent",
): AnnotationRule {
  return { scope, key, form, otherwise };
}

const own = (
  scope: AnnotationScope,
  key: PodRequestKey,
  form: Form,
  otherwise?: AnnotationRule["otherwise"],
): AnnotationRule => of(scope, key, form, otherwise);

/** The rules for a pod's annotations, and those of a workload's template. */
export const POD_RULES: readonly AnnotationRule[] = [
  // A pod with an invalid address waits; `src/ipam/request-annotations.ts` reports why.
  own("named", "ip_address", ADDRESSES, "kept"),
  own("named", "mac_address", MAC, "kept"),
  own("any", "ip_pool", POOL, "kept"),
  own("any", "ip_family", FAMILY, "kept"),
  own("any", "logical_switch", OBJECT_NAME, "kept"),
  // A name that no object can have, so that everything is denied.
  own("any", "security_groups", OBJECT_NAMES, "kept"),
  own("any", "port_security", BOOLEAN, { value: "true" }),
  own("any", "port_vips", ADDRESS_LIST, "parts"),
  own("any", "layer2_forward", BOOLEAN),
  own("any", "default_route", BOOLEAN),
  own("ovn", "routes", ROUTES),
  // An invalid value leaves the last valid limit active (`src/compile/active-qos.ts`).
  own("any", "ingress_rate", NUMBER, "kept"),
  own("any", "egress_rate", NUMBER, "kept"),
  own("any", "ingress_burst", NUMBER, "kept"),
  own("any", "egress_burst", NUMBER, "kept"),
  own("ovn", "latency", NUMBER, "kept"),
  own("ovn", "jitter", NUMBER, "kept"),
  own("ovn", "limit", NUMBER, "kept"),
  own("ovn", "loss", PERCENT, "kept"),
  own("ovn", "mirror", BOOLEAN),
  of("exact", POD.vip, OBJECT_NAME, "kept"),
  of("exact", POD.aaps, OBJECT_NAMES),
  of("exact", POD.eip, ADDRESSES),
  of("exact", POD.snat, ADDRESSES),
  of("exact", POD.northGateway, ADDRESSES),
  of("exact", POD.bgp, ANNOUNCED),
  of("exact", POD.networks, NETWORKS, "kept"),
  of("exact", POD.defaultNetwork, NETWORKS, "kept"),
];

/** The rules for a Namespace's annotations; the controller writes these itself. */
export const NAMESPACE_RULES: readonly AnnotationRule[] = [
  of("exact", NAMESPACE.logicalSwitch, OBJECT_NAMES),
  of("exact", NAMESPACE.ipPool, OBJECT_NAMES),
  of("exact", NAMESPACE.cidr, CIDRS),
  of("exact", NAMESPACE.excludeIps, RANGES),
];

/** The rules for a Service's annotations. */
export const SERVICE_RULES: readonly AnnotationRule[] = [
  of("exact", SERVICE.vpc, OBJECT_NAME),
  of("exact", SERVICE.logicalSwitch, OBJECT_NAME),
  of("exact", SERVICE.switchLbVip, ADDRESSES),
  of("exact", SERVICE.routerLbVip, ADDRESSES),
  of("exact", SERVICE.healthCheck, BOOLEAN),
  of("exact", SERVICE.externalIpFromSubnet, OBJECT_NAME),
  of("exact", SERVICE.attachmentProvider, OBJECT_NAME),
  of("exact", SERVICE.bgp, ANNOUNCED),
];

const OWN = annotationDomain(OVN_PROVIDER);

/** Whether a rule applies to an annotation with this name. */
function isAbout({ scope, key }: AnnotationRule, name: string): boolean {
  if (scope === "exact") return name === key;
  const slash = name.indexOf("/");
  const domain = name.slice(0, slash);
  const rest = name.slice(slash + 1);
  if (!domain.endsWith(".kubernetes.io")) return false;
  if (rest !== key && !(scope === "named" && rest.startsWith(`${key}.`))) return false;
  return domain === OWN || (scope === "ovn" ? domain.includes(".ovn.") : domain.split(".").length >= 4);
}

/** The rules of a list by their keys: there are many pods with some dozen annotations each. */
const BY_KEY = new WeakMap<readonly AnnotationRule[], ReadonlyMap<string, AnnotationRule>>();

/** The rule for an annotation with this name, if there is one. */
export function ruleFor(name: string, rules: readonly AnnotationRule[]): AnnotationRule | undefined {
  const byKey = BY_KEY.get(rules) ?? new Map(rules.map((rule) => [rule.key, rule]));
  BY_KEY.set(rules, byKey);
  const key = name.slice(name.indexOf("/") + 1);
  const rule = byKey.get(name) ?? byKey.get(key) ?? byKey.get(key.slice(0, key.indexOf(".")));
  return rule !== undefined && isAbout(rule, name) ? rule : undefined;
}

/** The condition of {@link ruleFor} for one rule in CEL, of the name `k`. */
export function isAboutInCel({ scope, key }: AnnotationRule): string {
  if (scope === "exact") return `k == '${key}'`;
  const named = scope === "named" ? ` || k.contains('.kubernetes.io/${key}.')` : "";
  const further = scope === "ovn" ? "k.contains('.ovn.')" : "k.split('/')[0].split('.').size() >= 4";
  return `(k.endsWith('.kubernetes.io/${key}')${named}) && (k.startsWith('${OWN}/') || ${further})`;
}

/** An annotation with an invalid value. */
export interface InvalidAnnotation {
  readonly key: string;
  /** A message: the value, how it is treated, and what would be accepted. */
  readonly message: string;
}

const MEANING = { absent: "it is ignored", parts: "its invalid parts are ignored" } as const;

/** The effective annotations, and the invalid ones; `kept` ones are reported by their readers. */
export function judgeAnnotations(
  annotations: Readonly<Record<string, string>>,
  rules: readonly AnnotationRule[],
): {
  readonly annotations: Readonly<Record<string, string>>;
  readonly invalidAnnotations: readonly InvalidAnnotation[];
} {
  let counted: Record<string, string> | undefined;
  const invalidAnnotations: InvalidAnnotation[] = [];
  for (const [key, value] of Object.entries(annotations)) {
    const rule = ruleFor(key, rules);
    if (rule === undefined || rule.otherwise === "kept" || isOfForm(rule.form, value)) continue;
    const { otherwise, form } = rule;
    const meaning = typeof otherwise === "object" ? `${otherwise.value} is used` : MEANING[otherwise];
    invalidAnnotations.push({
      key,
      message: `annotation ${key} is ${quoted(value)}, which is invalid; ${meaning}; it must be ${form.wanted}`,
    });
    if (otherwise === "parts") continue;
    counted ??= { ...annotations };
    if (otherwise === "absent") delete counted[key];
    else counted[key] = otherwise.value;
  }
  return { annotations: counted ?? annotations, invalidAnnotations };
}
