// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../../api/annotations.ts";
import { nodePortTarget } from "../../api/node-port-target.ts";
import { isLeftToOthers } from "../../api/service-labels.ts";
import { samePlain } from "../../collections/plain.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { InformerTime } from "../../kube/informer-options.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { SERVICES } from "../../kube/resources.ts";
import { type Ip, isMapped, parseIp } from "../../net/address.ts";
import { type Cidr, parseCidr } from "../../net/cidr.ts";

/** What {@link readNodeService} reads of a Service. */
export interface ServiceWithPorts extends KubeObject {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly externalIPs?: readonly string[] | null;
    readonly externalTrafficPolicy?: string;
    readonly sessionAffinity?: string;
    readonly internalTrafficPolicy?: string;
    readonly loadBalancerSourceRanges?: readonly string[] | null;
    readonly healthCheckNodePort?: number;
    readonly ports?:
      | readonly {
          readonly name?: string;
          readonly protocol?: string;
          readonly port: number;
          readonly nodePort?: number;
        }[]
      | null;
  };
  readonly status?: {
    readonly loadBalancer?: {
      readonly ingress?: readonly { readonly ip?: string; readonly ipMode?: string }[] | null;
    } | null;
  };
}

/** A protocol of a Service's port, as nft(8) writes it. */
export type NftProtocol = "tcp" | "udp" | "sctp";

/** The part of a Service that a node serves to itself and to clients outside. OVN balances the Service's ClusterIP. */
export interface NodeService {
  readonly key: string;
  /** Creation time, RFC 3339. */
  readonly created: string;
  /** Its `clusterIPs`. */
  readonly addresses: readonly Ip[];
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: NftProtocol;
    readonly port: number;
    /** 0: none. */
    readonly nodePort: number;
    /** The port of the ClusterIP to which node port and external addresses are translated. */
    readonly target: number;
  }[];
  /** Its `externalIPs`. */
  readonly externalIps: readonly Ip[];
  /** Addresses of `status.loadBalancer.ingress` that are handled on nodes (`ipMode` is not `Proxy`). */
  readonly loadBalancerIps: readonly Ip[];
  /** Sources that may connect to `loadBalancerIps`, as CIDRs; empty: all. */
  readonly sourceRanges: readonly Cidr[];
  /** `externalTrafficPolicy: Local`: only endpoints on the node are used, and they see the client's address. */
  readonly local: boolean;
  /** `sessionAffinity: ClientIP`. */
  readonly affinity: boolean;
  /** The VPC that the controller has assigned it to; absent: the VPC of nodes. */
  readonly vpc?: string;
  /** 0: none. */
  readonly healthCheckNodePort: number;
}

/** Reads what a node serves of a Service; undefined if the Service has only a ClusterIP. */
export function readNodeService({ metadata, spec = {}, status }: ServiceWithPorts): NodeService | undefined {
  const addresses = readIps(spec.clusterIPs ?? [spec.clusterIP]);
  if (spec.type === "ExternalName" || addresses.length === 0 || isLeftToOthers(metadata.labels)) return undefined;
  const outside = spec.type === "NodePort" || spec.type === "LoadBalancer";
  const externalIps = readIps(spec.externalIPs ?? []);
  if (!outside && externalIps.length === 0) return undefined;
  const balanced = spec.type === "LoadBalancer";
  const vpc = metadata.annotations?.[SERVICE.vpc];
  const ingress = balanced ? (status?.loadBalancer?.ingress ?? []) : [];
  return {
    key: `${metadata.namespace}/${metadata.name}`,
    created: metadata.creationTimestamp ?? "",
    addresses,
    ports: (spec.ports ?? []).flatMap(({ name = "", protocol = "TCP", port, nodePort = 0 }) => {
      const word = readNftProtocol(protocol);
      if (word === undefined) return [];
      const target = nodePortTarget(spec, { protocol, port, nodePort });
      return [{ name, protocol: word, port, nodePort: outside ? nodePort : 0, target }];
    }),
    externalIps,
    loadBalancerIps: readIps(ingress.map(({ ip, ipMode }) => (ipMode === "Proxy" ? "" : ip))),
    sourceRanges: balanced ? (spec.loadBalancerSourceRanges ?? []).flatMap((text) => parseCidr(text.trim()) ?? []) : [],
    local: spec.externalTrafficPolicy === "Local",
    affinity: spec.sessionAffinity === "ClientIP",
    ...(vpc && { vpc }),
    healthCheckNodePort: balanced && spec.externalTrafficPolicy === "Local" ? (spec.healthCheckNodePort ?? 0) : 0,
  };
}

/**
 * Whether a Service is in the VPC of nodes. A node does not reach other Services: OVN refuses connections to their
 * ClusterIP, and their endpoints' addresses may belong to other pods in the nodes' VPC.
 */
export function isInVpc({ vpc }: NodeService, ofNodes: string | undefined): boolean {
  return vpc === undefined || vpc === ofNodes;
}

function readIps(texts: readonly (string | undefined)[]): readonly Ip[] {
  return texts.flatMap((text = "") => {
    const ip = parseIp(text);
    return ip === undefined || isMapped(ip) ? [] : [ip];
  });
}

/** A protocol of the API as nft(8) writes it; undefined for protocols other than TCP, UDP and SCTP. */
export function readNftProtocol(protocol: string): NftProtocol | undefined {
  const word = protocol.toLowerCase();
  return word === "tcp" || word === "udp" || word === "sctp" ? word : undefined;
}

/**
 * Watches all Services that nodes serve; other Services are not stored. Endpoints are not read here, so only changes
 * of Services themselves are reported.
 */
export function serviceInformer(
  kube: Kube,
  onError: (error: unknown, context: string) => void,
  time: InformerTime = {},
): Informer<NodeService> {
  return informer<ServiceWithPorts, NodeService>(kube, SERVICES, {
    fromMemory: true,
    project: readNodeService,
    equal: (a, b) => a === b || samePlain(a, b),
    onError,
    ...time,
  });
}
