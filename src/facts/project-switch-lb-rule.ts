// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../api/annotations.ts";
import type { SwitchLBRulePort, SwitchLBRuleSpec } from "../api/generated/switchlbrule.ts";
import { isRuleServiceName, routerRuleKey } from "../api/names.ts";
import { commaList } from "../collections/comma-list.ts";
import { type Ip, isMapped, parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import { customObjectFields, makerOf, type ProjectedMeta } from "./meta.ts";
import type { ProblemFact } from "./service.ts";
import type { SwitchLbRuleFact } from "./switch-lb-rule.ts";
import type { RuleOwnedFact, RulePortFact, RuleServiceFact, VipServiceFact } from "./vip-service.ts";

/** The annotations that a rule copies to its Service, and therefore removes from it. The VIPs belong to the rule. */
const HANDED_ON = [SERVICE.logicalRouter, SERVICE.logicalSwitch, SERVICE.healthCheck];
const RULE_ANNOTATIONS = [SERVICE.switchLbVip, SERVICE.routerLbVip, ...HANDED_ON];

/** What {@link projectSwitchLbRule} reads of a SwitchLBRule. */
export interface SwitchLbRuleObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: SwitchLBRuleSpec;
}

/** The fact of a SwitchLBRule. An invalid spec creates no Service and does not change an existing one. */
export function projectSwitchLbRule({ metadata, spec = {} }: SwitchLbRuleObject): SwitchLbRuleFact {
  const problems: ProblemFact[] = [];
  const problem = (path: string, reason: string, message: string): void => {
    problems.push({ path, reason, message });
  };
  const vips = readVips(spec.vip ?? "", "spec.vip", problems).map(({ text }) => text);
  if (vips.length === 0 && problems.length === 0)
    problem("spec.vip", "InvalidAddress", "is missing; give an IP address such as 10.16.0.50");
  const { endpoints, selectorUnused, ...balanced } = readBalanced(spec, problems);
  const annotations: Record<string, string> = { [SERVICE.switchLbVip]: vips.join(",") };
  for (const key of HANDED_ON) {
    const value = metadata.annotations?.[key];
    if (value) annotations[key] = value;
  }
  const service = { ...balanced, annotations, families: vips.map(serviceFamilyOf) };
  return {
    ...customObjectFields(metadata),
    dns: makerOf(metadata, "VpcDns").name,
    dnsUid: makerOf(metadata, "VpcDns").uid,
    vips,
    ...(problems.length === 0 && { service }),
    endpoints,
    selectorUnused,
    problems,
  };
}

/** The fields in which a SwitchLBRule and a RouterLBRule name their endpoints. */
export type BalancedSpec = Pick<SwitchLBRuleSpec, "namespace" | "selector" | "endpoints" | "sessionAffinity" | "ports">;

/** What such a rule says of its endpoints; its invalid parts are added to `problems`. */
export function readBalanced(
  spec: BalancedSpec,
  problems: ProblemFact[],
): Omit<RuleServiceFact, "annotations" | "families"> & {
  readonly namespace: string;
  readonly endpoints: readonly string[];
  readonly selectorUnused: boolean;
} {
  const problem = (path: string, reason: string, message: string): void => {
    problems.push({ path, reason, message });
  };
  const named = (spec.endpoints ?? []).flatMap((text, i) => readEndpoint(text, `spec.endpoints[${i}]`, problems) ?? []);
  const endpoints = [...new Set(named.map(({ text }) => text))].sort();
  const ports = (spec.ports ?? []).flatMap((port, i) => readPort(port, `spec.ports[${i}]`, problems));
  if (ports.length === 0 && problems.length === 0)
    problem("spec.ports", "InvalidPort", "is missing; give one port or more");
  for (const [i, { name, port, protocol }] of ports.entries()) {
    if (ports.findIndex((other) => other.port === port && other.protocol === protocol) < i)
      problem(`spec.ports[${i}].port`, "InvalidPort", `${port}/${protocol} is also another entry; give each port once`);
    if (ports.findIndex((other) => other.name === name) < i)
      problem(`spec.ports[${i}].name`, "InvalidPort", `"${name}" is also the name of another port`);
  }
  const selector = readSelector(spec.selector ?? [], problems);
  const { sessionAffinity = "" } = spec;
  if (!["", "None", "ClientIP"].includes(sessionAffinity))
    problem("spec.sessionAffinity", "InvalidAffinity", `"${sessionAffinity}" must be one of: None, ClientIP`);
  return {
    namespace: spec.namespace || "default",
    selector: endpoints.length > 0 ? {} : selector,
    ports,
    sessionAffinity: sessionAffinity || "None",
    endpoints,
    selectorUnused: endpoints.length > 0 && Object.keys(selector).length > 0,
  };
}

/** The family of an address, as a Service names it. */
export function serviceFamilyOf(address: string): string {
  return address.includes(":") ? "IPv6" : "IPv4";
}

/** Addresses separated by commas, IPv4 first, one of each family. */
function readVips(text: string, path: string, problems: ProblemFact[]): readonly Ip[] {
  const ips = commaList(text).flatMap((part) => readIp(part, path, problems) ?? []);
  const found = ([4, 6] as const).flatMap((family) => ips.find((ip) => ip.family === family) ?? []);
  if (found.length < ips.length)
    problems.push({ path, reason: "InvalidAddress", message: `"${text}" has more than one address of a family` });
  return found;
}

/** Addresses that the API server accepts in an EndpointSlice (`ValidateNonSpecialIP` of Kubernetes). */
function readEndpoint(text: string, path: string, problems: ProblemFact[]): Ip | undefined {
  const ip = readIp(text, path, problems);
  const special = ip && NOT_ENDPOINTS.find(([range]) => cidrContains(range, ip));
  if (special === undefined) return ip;
  const message = `"${text}" cannot be an endpoint: it is ${special[1]}`;
  problems.push({ path, reason: "InvalidAddress", message });
  return undefined;
}

const NOT_ENDPOINTS = (
  [
    ["0.0.0.0/32", "the unspecified address"],
    ["::/128", "the unspecified address"],
    ["127.0.0.0/8", "loopback"],
    ["::1/128", "loopback"],
    ["169.254.0.0/16", "link-local"],
    ["fe80::/10", "link-local"],
    ["224.0.0.0/24", "link-local multicast"],
    ["ff02::/16", "link-local multicast"],
  ] as const
).flatMap(([text, what]) => {
  const range = parseCidr(text);
  return range === undefined ? [] : [[range, what] as const];
});

function readIp(text: string, path: string, problems: ProblemFact[]): Ip | undefined {
  const ip = parseIp(text);
  if (ip !== undefined && !isMapped(ip)) return ip;
  const message = `"${text}" is not an IP address such as 10.16.0.50 or fd00:10:16::50`;
  problems.push({ path, reason: "InvalidAddress", message });
  return undefined;
}

function readPort(
  { name = "", port = 0, targetPort = 0, protocol = "" }: SwitchLBRulePort,
  path: string,
  problems: ProblemFact[],
): readonly RulePortFact[] {
  const known = protocol || "TCP";
  if (known !== "TCP" && known !== "UDP" && known !== "SCTP") {
    const message = `"${protocol}" must be one of: TCP, UDP, SCTP`;
    problems.push({ path: `${path}.protocol`, reason: "InvalidProtocol", message });
    return [];
  }
  for (const [field, value] of [
    ["port", port],
    ["targetPort", targetPort || port],
  ] as const) {
    if (Number.isInteger(value) && value >= 1 && value <= 65_535) continue;
    problems.push({ path: `${path}.${field}`, reason: "InvalidPort", message: `${value} is not a port (1 to 65535)` });
    return [];
  }
  return [{ name, protocol: known, port, targetPort: targetPort || port }];
}

function readSelector(entries: readonly string[], problems: ProblemFact[]): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [i, entry] of entries.entries()) {
    const [key = "", value, ...rest] = entry.split(":").map((part) => part.trim());
    if (key !== "" && value !== undefined && rest.length === 0) labels[key] = value;
    else {
      const message = `"${entry}" is not a label such as "app: web"`;
      problems.push({ path: `spec.selector[${i}]`, reason: "InvalidSelector", message });
    }
  }
  return labels;
}

/** What {@link vipService} reads of a Service. */
export interface VipServiceObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: {
    readonly clusterIP?: string;
    readonly ipFamilies?: readonly string[];
    readonly selector?: Readonly<Record<string, string>> | null;
    readonly sessionAffinity?: string;
    readonly ports?: readonly {
      readonly name?: string;
      readonly protocol?: string;
      readonly port: number;
      readonly targetPort?: number | string;
      readonly nodePort?: number;
    }[];
  };
}

/** Whether a Service without cluster addresses is needed: it has a VIP, or a rule may need its name. */
export function mayHaveVip({ metadata }: VipServiceObject): boolean {
  return isRuleServiceName(metadata.name) || Boolean(metadata.annotations?.[SERVICE.switchLbVip]);
}

/** The part of a Service's fact for its VIPs and its rule. An invalid address is a problem. */
export function vipService({ metadata, spec = {} }: VipServiceObject, problems: ProblemFact[]): VipServiceFact {
  const { annotations = {} } = metadata;
  const path = `metadata.annotations[${SERVICE.switchLbVip}]`;
  const vips = readVips(annotations[SERVICE.switchLbVip] ?? "", path, problems).map(({ text }) => text);
  const owned = ruleOwned(metadata);
  const common = { vips, healthCheck: annotations[SERVICE.healthCheck] !== "false", ...owned };
  if (!mayHaveVip({ metadata }) && owned.rule === "") return common;
  const ports = (spec.ports ?? []).map(({ name = "", protocol = "TCP", port, targetPort }) => ({
    name,
    protocol: protocol as RulePortFact["protocol"],
    port,
    // Rules do not write port names, so a named target port is not the desired one.
    targetPort: typeof targetPort === "number" ? targetPort : 0,
  }));
  const written: RuleServiceFact = {
    annotations: Object.fromEntries(
      RULE_ANNOTATIONS.flatMap((key) => (annotations[key] ? [[key, annotations[key]]] : [])),
    ),
    selector: spec.selector ?? {},
    ports,
    sessionAffinity: spec.sessionAffinity ?? "None",
    families: spec.ipFamilies ?? [],
  };
  return { ...common, written: { ...written, headless: spec.clusterIP === "None" } };
}

/** The rule that has created an object, by its owner reference. */
export function ruleOwned(metadata: ProjectedMeta): RuleOwnedFact {
  const { name, uid } = makerOf(metadata, "SwitchLBRule");
  if (name !== "") return { rule: name, ruleUid: uid };
  const router = makerOf(metadata, "RouterLBRule");
  return { rule: router.name === "" ? "" : routerRuleKey(router.name), ruleUid: router.uid };
}
