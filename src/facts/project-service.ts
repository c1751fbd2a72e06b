import { SERVICE } from "../api/annotations.ts";
import { parseIp } from "../net/address.ts";
import type { ObjectMeta } from "./meta.ts";
import type { EndpointSliceFact, ServiceFact, ServicePortFact } from "./types.ts";

/** What {@link projectService} reads of a Service. */
export interface ServiceObject {
  readonly metadata: ObjectMeta;
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly ports?: readonly { readonly name?: string; readonly protocol?: string; readonly port: number }[];
    readonly sessionAffinity?: string;
    readonly internalTrafficPolicy?: string;
  };
}

/** What {@link projectEndpointSlice} reads of an EndpointSlice. */
export interface EndpointSliceObject {
  readonly metadata: ObjectMeta;
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
      }[]
    | null;
}

/** The label that makes a Service another proxy's (kube-proxy leaves it alone as well). */
const PROXY_LABEL = "service.kubernetes.io/service-proxy-name";

/** The label that names the Service of an EndpointSlice (discovery.k8s.io/v1). */
const SERVICE_LABEL = "kubernetes.io/service-name";

/** The fact of a Service; none for one without a cluster address: headless, ExternalName, or not given one yet. */
export function projectService({ metadata, spec = {} }: ServiceObject): ServiceFact | undefined {
  const given = spec.clusterIPs ?? [spec.clusterIP ?? ""];
  const addresses = given.flatMap((text) => parseIp(text)?.text ?? []);
  if (spec.type === "ExternalName" || addresses.length === 0) return undefined;
  const { name, namespace = "default" } = metadata;
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    addresses,
    ports: (spec.ports ?? []).flatMap((port) => projectPort(port.name, port.protocol, port.port)),
    sticky: spec.sessionAffinity === "ClientIP",
    nodeLocal: spec.internalTrafficPolicy === "Local",
    proxy: metadata.labels?.[PROXY_LABEL] ?? "",
    vpc: metadata.annotations?.[SERVICE.vpc] ?? "",
  };
}

/**
 * The fact of an EndpointSlice; none where it belongs to no Service. An endpoint counts with the first of its addresses, as in
 * kube-proxy; a condition that is not stated means: ready, serving, not terminating (discovery.k8s.io/v1).
 */
export function projectEndpointSlice(slice: EndpointSliceObject): EndpointSliceFact | undefined {
  const { name, namespace = "default", labels = {} } = slice.metadata;
  const service = labels[SERVICE_LABEL];
  if (!service) return undefined;
  const ready = new Set<string>();
  const draining = new Set<string>();
  for (const { addresses, conditions } of slice.endpoints ?? []) {
    const address = parseIp(addresses?.[0] ?? "")?.text;
    if (address === undefined) continue;
    if (conditions?.ready ?? true) ready.add(address);
    else if ((conditions?.serving ?? true) && conditions?.terminating === true) draining.add(address);
  }
  return {
    key: `${namespace}/${name}`,
    service: `${namespace}/${service}`,
    ports: (slice.ports ?? []).flatMap((port) => projectPort(port.name, port.protocol, port.port)),
    ready: [...ready].sort(),
    draining: [...draining].sort(),
  };
}

function projectPort(
  name: string | null | undefined,
  protocol: string | null | undefined,
  port: number | null | undefined,
): readonly ServicePortFact[] {
  const known = protocol ?? "TCP";
  if ((known !== "TCP" && known !== "UDP" && known !== "SCTP") || typeof port !== "number") return [];
  return [{ name: name ?? "", protocol: known, port }];
}
