// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../api/annotations.ts";
import { nodePortTarget } from "../api/node-port-target.ts";
import { isLeftToOthers } from "../api/service-labels.ts";
import { type Ip, isMapped, parseIp } from "../net/address.ts";
import { parseCidr } from "../net/cidr.ts";
import type { ProjectedMeta } from "./meta.ts";
import { type LoadBalancerObject, loadBalancerOf } from "./project-load-balancer.ts";
import { mayHaveVip, ruleOwned, type VipServiceObject, vipService } from "./project-switch-lb-rule.ts";
import type { EndpointFact, EndpointSliceFact, ProblemFact, ServiceFact, ServicePortFact } from "./service.ts";

/** What {@link projectService} reads of a Service. */
export interface ServiceObject extends VipServiceObject {
  readonly spec?: VipServiceObject["spec"] & {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly sessionAffinityConfig?: {
      readonly clientIP?: { readonly timeoutSeconds?: number | null } | null;
    } | null;
    readonly internalTrafficPolicy?: string;
    readonly externalTrafficPolicy?: string;
    readonly externalIPs?: readonly string[] | null;
    readonly loadBalancerSourceRanges?: readonly string[] | null;
    readonly trafficDistribution?: string | null;
    readonly loadBalancerClass?: string | null;
    readonly loadBalancerIP?: string | null;
  };
  readonly status?: NonNullable<LoadBalancerObject["status"]>;
}

/** What {@link projectEndpointSlice} reads of an EndpointSlice. */
export interface EndpointSliceObject {
  readonly metadata: ProjectedMeta;
  readonly ports?:
    | readonly {
        readonly name?: string | null;
        readonly protocol?: string | null;
        readonly port?: number | null;
      }[]
    | null;
  readonly endpoints?:
    | readonly {
        readonly addresses?: readonly string[] | null;
        readonly conditions?: {
          readonly ready?: boolean | null;
          readonly serving?: boolean | null;
          readonly terminating?: boolean | null;
        } | null;
        readonly nodeName?: string | null;
        readonly targetRef?: { readonly kind?: string; readonly namespace?: string; readonly name?: string } | null;
        readonly hints?: {
          readonly forZones?: readonly { readonly name: string }[] | null;
          readonly forNodes?: readonly { readonly name: string }[] | null;
        } | null;
      }[]
    | null;
}

/** The label that names the Service of an EndpointSlice (discovery.k8s.io/v1). */
const SERVICE_LABEL = "kubernetes.io/service-name";

/** The default of `sessionAffinityConfig.clientIP.timeoutSeconds` (core/v1): three hours. */
const DEFAULT_AFFINITY_S = 10_800;
/** OVN's maximum: 16 bits (ovn-nb(5), Load_Balancer `affinity_timeout`). */
const MAX_AFFINITY_S = 65_535;

/**
 * The fact of a Service; none for one without a cluster address (headless, ExternalName, or not allocated yet), unless it has a VIP or may belong to
 * a SwitchLBRule. Each address and port is checked separately: OVN installs nothing for an address of a load balancer if one of its endpoints is
 * invalid.
 */
export function projectService(service: ServiceObject): ServiceFact | undefined {
  const { metadata, spec = {}, status = {} } = service;
  const problems: ProblemFact[] = [];
  const given = (spec.clusterIPs ?? [spec.clusterIP ?? ""]).filter((text) => text !== "" && text !== "None");
  const addresses = given.flatMap((text, i) => readAddress(text, `spec.clusterIPs[${i}]`, problems)?.text ?? []);
  if (spec.type === "ExternalName" || (given.length === 0 && !mayHaveVip(service))) return undefined;
  const { name, namespace = "default", uid, annotations = {} } = metadata;
  const read = (texts: readonly string[], field: (i: number) => string, others: readonly string[]) => {
    const found = texts.flatMap((text, i) => (text === "" ? [] : (readAddress(text, field(i), problems)?.text ?? [])));
    return [...new Set(found)].filter((address) => !others.includes(address)).sort();
  };
  const externalIps = read(spec.externalIPs ?? [], (i) => `spec.externalIPs[${i}]`, addresses);
  // The default mode is VIP (core/v1).
  const ingress = (status.loadBalancer?.ingress ?? []).map(({ ip = "", ipMode }) => (ipMode === "Proxy" ? "" : ip));
  const ingressIps = read(ingress, (i) => `status.loadBalancer.ingress[${i}].ip`, [...addresses, ...externalIps]);
  problems.push(...limits(spec));
  const ports = (spec.ports ?? []).flatMap((port, i) => readPort(port, `spec.ports[${i}]`, problems));
  const wide = ports.flatMap((of) => {
    const { nodePort = 0 } =
      spec.ports?.find(({ protocol = "TCP", port }) => protocol === of.protocol && port === of.port) ?? {};
    const port = nodePortTarget(spec, { ...of, nodePort });
    return port === of.port ? [] : [{ of, port }];
  });
  const ranges = (spec.loadBalancerSourceRanges ?? []).map((text) => parseCidr(text.trim())?.family);
  return {
    key: `${namespace}/${name}`,
    uid,
    namespace,
    name,
    created: metadata.creationTimestamp ?? "",
    addresses,
    externalIps,
    ingressIps,
    restrictedFamilies: ([4, 6] as const).filter((family) => ranges.includes(family)),
    ports,
    affinity: spec.sessionAffinity === "ClientIP" ? readAffinity(spec, problems) : 0,
    nodeLocal: spec.internalTrafficPolicy === "Local",
    ...(spec.externalTrafficPolicy === "Local" && hasNodePorts(spec) && { keepsClient: true }),
    ...(spec.sessionAffinity === "ClientIP" && isOutside(spec) && { stickyOutside: true }),
    ...(wide.length > 0 && { wide }),
    leftToOthers: isLeftToOthers(metadata.labels),
    vpc: annotations[SERVICE.vpc] ?? "",
    chosenVpc: annotations[SERVICE.logicalSwitch] ? (annotations[SERVICE.logicalRouter] ?? "") : "",
    ...vipService(service, problems),
    ...loadBalancerOf(service, addresses, problems),
    problems,
  };
}

/**
 * The fact of an EndpointSlice; none if it belongs to no Service. Of an endpoint the first address is used, as in kube-proxy; conditions default to:
 * ready, serving, not terminating (discovery.k8s.io/v1).
 */
export function projectEndpointSlice(slice: EndpointSliceObject): EndpointSliceFact | undefined {
  const { name, namespace = "default", uid, labels = {} } = slice.metadata;
  const service = labels[SERVICE_LABEL];
  if (!service) return undefined;
  const problems: ProblemFact[] = [];
  const endpoints = new Map<string, EndpointFact>();
  for (const [i, endpoint] of (slice.endpoints ?? []).entries()) {
    const { addresses, conditions } = endpoint;
    const [first] = addresses ?? [];
    const path = `EndpointSlice ${name} endpoints[${i}].addresses[0]`;
    const address = first === undefined ? undefined : readAddress(first, path, problems)?.text;
    if (address === undefined) continue;
    const ready = conditions?.ready ?? true;
    if (!ready && !((conditions?.serving ?? true) && conditions?.terminating === true)) continue;
    if (endpoints.get(address)?.state === "ready") continue;
    const { nodeName, targetRef: target, hints } = endpoint;
    endpoints.set(address, {
      address,
      state: ready ? "ready" : "draining",
      node: nodeName ?? "",
      pod: target?.kind === "Pod" && target.name ? `${target.namespace || namespace}/${target.name}` : "",
      forZones: (hints?.forZones ?? []).map((zone) => zone.name).sort(),
      forNodes: (hints?.forNodes ?? []).map((node) => node.name).sort(),
    });
  }
  return {
    key: `${namespace}/${name}`,
    name,
    uid,
    namespace,
    ...ruleOwned(slice.metadata),
    service: `${namespace}/${service}`,
    ports: (slice.ports ?? []).flatMap((port, i) => readPort(port, `EndpointSlice ${name} ports[${i}]`, problems)),
    endpoints: [...endpoints.values()].sort((a, b) => (a.address < b.address ? -1 : 1)),
    problems,
  };
}

function hasNodePorts({ type }: NonNullable<ServiceObject["spec"]>): boolean {
  return type === "NodePort" || type === "LoadBalancer";
}

function isOutside(spec: NonNullable<ServiceObject["spec"]>): boolean {
  return hasNodePorts(spec) || (spec.externalIPs ?? []).length > 0;
}

/** The requests of a Service that OVN does differently. */
function limits({ trafficDistribution, sessionAffinity, internalTrafficPolicy }: NonNullable<ServiceObject["spec"]>) {
  const found: ProblemFact[] = [];
  const say = (field: string, message: string): unknown =>
    found.push({ path: `spec.${field}`, reason: "NotSupported", message });
  const sticky = sessionAffinity === "ClientIP";
  if (trafficDistribution && sticky)
    say("trafficDistribution", "a Service with sessionAffinity does not prefer near endpoints");
  if (sticky && internalTrafficPolicy === "Local")
    say("sessionAffinityConfig", "the session affinity has no timeout with internalTrafficPolicy: Local");
  return found;
}

/** OVN parses IPv4-mapped addresses as IPv4, so the family differs from that of the Service's address. */
function readAddress(text: string, path: string, problems: ProblemFact[]): Ip | undefined {
  const ip = parseIp(text);
  if (ip !== undefined && !isMapped(ip)) return ip;
  const wrong =
    ip === undefined
      ? `"${text}" is not a valid IP address such as 10.16.0.2 or fd00:10:16::2`
      : `"${text}" is an IPv4-mapped IPv6 address; it must be written as an IPv4 address`;
  problems.push({ path, reason: "InvalidAddress", message: `${wrong}; the address is not used` });
  return undefined;
}

function readPort(
  {
    name,
    protocol,
    port,
  }: { readonly name?: string | null; readonly protocol?: string | null; readonly port?: number | null },
  path: string,
  problems: ProblemFact[],
): readonly ServicePortFact[] {
  const known = protocol ?? "TCP";
  // A port without a number in an EndpointSlice has no destination (discovery.k8s.io/v1: must not be interpreted).
  if (port === undefined || port === null) return [];
  if (known !== "TCP" && known !== "UDP" && known !== "SCTP") {
    const message = `"${known}" must be one of: TCP, UDP, SCTP; the port is not load-balanced`;
    problems.push({ path: `${path}.protocol`, reason: "InvalidProtocol", message });
    return [];
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    const message = `${port} is not a valid port (1 to 65535); it is not load-balanced`;
    problems.push({ path: `${path}.port`, reason: "InvalidPort", message });
    return [];
  }
  return [{ name: name ?? "", protocol: known, port }];
}

function readAffinity({ sessionAffinityConfig }: NonNullable<ServiceObject["spec"]>, problems: ProblemFact[]): number {
  const path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_S;
  if (!Number.isInteger(seconds) || seconds < 1) {
    const message = `${seconds} is not a valid number of seconds; the session affinity timeout is ${DEFAULT_AFFINITY_S} s`;
    problems.push({ path, reason: "InvalidTimeout", message });
    return DEFAULT_AFFINITY_S;
  }
  if (seconds <= MAX_AFFINITY_S) return seconds;
  const message = `${seconds} s is more than OVN supports; the session affinity timeout is ${MAX_AFFINITY_S} s after the last connection of a client`;
  problems.push({ path, reason: "TimeoutTooLong", message });
  return MAX_AFFINITY_S;
}
