// SPDX-License-Identifier: Apache-2.0

import { type Ip, parseIp } from "../net/address.ts";
import type { Dual } from "../net/dual.ts";
import { addressEndpoint, type Endpoint, EndpointError, nodeEndpoint } from "./endpoint.ts";
import { type Explanation, explain } from "./explain.ts";
import type { Network } from "./network.ts";
import type { PolicyIndex } from "./policy-index.ts";
import { type PortQuestion, portQuestionText } from "./port.ts";

/** The fields of a Service that are read (core/v1). */
export interface ObservedService {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly internalTrafficPolicy?: string;
    readonly ports?: readonly { readonly name?: string; readonly protocol?: string; readonly port: number }[];
  };
}

/** The fields of an EndpointSlice that are read (discovery.k8s.io/v1). */
export interface ObservedSlice {
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
    readonly nodeName?: string;
  }[];
  readonly ports?: readonly { readonly name?: string; readonly protocol?: string; readonly port?: number }[];
}

/** One port of a Service: its names and its backends. */
export interface ServiceTarget {
  /** `service default/web` */
  readonly label: string;
  /** Its cluster addresses; none for a headless Service. */
  readonly virtual: Dual<Ip>;
  readonly port: PortQuestion;
  readonly backends: readonly {
    readonly address: Ip;
    readonly port: PortQuestion;
    readonly node?: string | undefined;
  }[];
  /** `internalTrafficPolicy: Local`: only those on the client's node. */
  readonly local: boolean;
}

/** Finds the requested port of a Service, and its ready backends. Throws {@link EndpointError} if there is none. */
export function serviceTarget(
  service: ObservedService,
  slices: readonly ObservedSlice[],
  asked: PortQuestion,
): ServiceTarget {
  const { name, namespace = "default" } = service.metadata;
  const label = `service ${namespace}/${name}`;
  const { ports = [], clusterIPs, clusterIP = "", type } = service.spec ?? {};
  if (type === "ExternalName") throw new EndpointError(`${label} is an alias of an external name; give its address`);
  const found = ports.find(({ name, port, protocol = "TCP" }) => {
    if (asked.protocol === "ICMP" || (asked.protocol !== undefined && asked.protocol !== protocol)) return false;
    return "name" in asked ? name === asked.name : port === asked.port;
  });
  if (found === undefined) {
    const has = ports.map(
      ({ name, port, protocol = "TCP" }) => `${protocol.toLowerCase()}/${port}${name ? ` (${name})` : ""}`,
    );
    throw new EndpointError(`${label} has no ${portQuestionText(asked)}; it has ${has.join(", ") || "no ports"}`);
  }
  const protocol = (found.protocol ?? "TCP") as "TCP" | "UDP" | "SCTP";
  const virtual: { v4?: Ip; v6?: Ip } = {};
  for (const ip of (clusterIPs ?? [clusterIP]).flatMap((text) => parseIp(text) ?? [])) {
    virtual[ip.family === 4 ? "v4" : "v6"] ??= ip;
  }
  const backends = slices.flatMap(({ endpoints = [], ports: own = [] }) => {
    const target = own.find(
      (port) => (port.name ?? "") === (found.name ?? "") && (port.protocol ?? "TCP") === protocol,
    );
    const number = target?.port;
    if (number === undefined) return [];
    return endpoints
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses, nodeName: node }) =>
        addresses.flatMap((text) => parseIp(text) ?? []).map((address) => ({ address, node })),
      )
      .map((backend) => ({ ...backend, port: { protocol, port: number } }));
  });
  const local = service.spec?.internalTrafficPolicy === "Local";
  return { label, virtual, port: { protocol, port: found.port }, backends, local };
}

/** The answer for a Service: it is allowed if every backend can be reached. */
export interface ServiceExplanation {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly verdict: "allowed" | "denied";
  /**
   * Where the Service's address is translated to a backend's: by OVN in the pod's switch, or by the node; `none`
   * for a Service without an address.
   */
  readonly translatedBy: "OVN" | "node" | "none";
  /** The path to the Service's own address, if a node translates it and egress from the pod is evaluated for it. */
  readonly virtual?: Explanation;
  /** The path to each backend, after translation. */
  readonly backends: readonly Explanation[];
  readonly problem?: string;
}

/**
 * Whether one end reaches a Service by its address. If OVN balances the load, egress is evaluated for the backend's
 * address and port, for each packet of a connection; if the node does, egress from a pod is evaluated for the
 * Service's address, and a backend sees the node as source.
 */
export function explainService(
  network: Network,
  book: PolicyIndex,
  from: Endpoint,
  { label, virtual, port, backends: all, local }: ServiceTarget,
): ServiceExplanation {
  const vips = Object.values(virtual) as Ip[];
  const head = { from: from.label, to: label, port: portQuestionText(port) };
  const balanced = vips.filter(
    (vip) =>
      from.place !== undefined &&
      "port" in port &&
      network.isBalanced(from.place.switch, port.protocol, vip, port.port),
  );
  const translatedBy = vips.length === 0 ? "none" : balanced.length > 0 ? "OVN" : "node";
  const kept = local && vips.length > 0 && from.node !== undefined;
  const backends = kept ? all.filter(({ node }) => node === from.node) : all;
  if (backends.length === 0) {
    const problem = `${label} has no ready endpoint${kept ? ` on node ${from.node}, and internalTrafficPolicy is Local` : ""}`;
    return { ...head, verdict: "denied", translatedBy, backends: [], problem };
  }
  let sender = from;
  let first: Explanation | undefined;
  if (translatedBy === "node" && from.kind === "pod") {
    const place = { kind: "address", place: undefined, source: virtual, destination: virtual } as const;
    first = explain(network, book, { from, to: { ...place, label: vips.map((vip) => vip.text).join(",") }, port });
    if (from.node !== undefined) sender = nodeEndpoint(network, from.node);
  }
  const answers = backends.map((backend) => {
    const to = addressEndpoint(network, backend.address);
    const dialled = translatedBy === "OVN" ? { dialled: { virtual, port } } : {};
    return explain(network, book, { from: sender, to, port: backend.port, ...dialled });
  });
  const allowed = [...(first === undefined ? [] : [first]), ...answers].every(({ verdict }) => verdict === "allowed");
  const verdict = allowed ? "allowed" : "denied";
  return { ...head, verdict, translatedBy, ...(first !== undefined && { virtual: first }), backends: answers };
}
