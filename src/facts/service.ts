// SPDX-License-Identifier: Apache-2.0

import type { RuleOwnedFact, VipServiceFact } from "./vip-service.ts";

/** One Service that has cluster addresses or VIPs. */
export interface ServiceFact extends VipServiceFact {
  readonly key: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Creation time, RFC 3339. */
  readonly created: string;
  /** Its `clusterIPs`, one of each family at most. */
  readonly addresses: readonly string[];
  /** Its `externalIPs`, which are not `addresses` as well. */
  readonly externalIps: readonly string[];
  /** `status.loadBalancer.ingress[].ip` of mode VIP that are not among the others: those of mode Proxy belong to a load balancer. */
  readonly ingressIps: readonly string[];
  /** The families whose `ingressIps` are restricted to some clients: `loadBalancerSourceRanges`. */
  readonly restrictedFamilies: readonly (4 | 6)[];
  readonly ports: readonly ServicePortFact[];
  /** `sessionAffinity: ClientIP`: seconds after its last connection for which a client keeps its endpoint; 0: no affinity. */
  readonly affinity: number;
  /** `internalTrafficPolicy: Local`: only endpoints on the client's node. */
  readonly nodeLocal: boolean;
  /** It has node ports and `externalTrafficPolicy: Local`: its endpoints see their clients' addresses. */
  readonly keepsClient?: true;
  /** It has affinity and node ports or external addresses. */
  readonly stickyOutside?: true;
  /**
   * The ports of its cluster addresses that use the endpoints of all nodes although it is `nodeLocal`: see {@link
   * import("../api/node-port-target.ts").nodePortTarget}. Absent if there are none.
   */
  readonly wide?: readonly { readonly of: ServicePortFact; readonly port: number }[];
  /** A label leaves it to another proxy or to none (`isLeftToOthers`). */
  readonly leftToOthers: boolean;
  /** The VPC in its annotation, which the controller writes; "" for none. */
  readonly vpc: string;
  /** The VPC that a user has chosen for it by naming router and switch; "" if it follows its endpoints. */
  readonly chosenVpc: string;
  /** Of a Service of type LoadBalancer that asks Weft for its addresses, and of one that has them from Weft. */
  readonly loadBalancer?: LoadBalancerFact;
  /** What of it cannot be balanced. */
  readonly problems: readonly ProblemFact[];
}

/** The addresses that a Service wants and has in an external subnet. */
export interface LoadBalancerFact {
  /** The Service's resource version. */
  readonly version: string;
  /** The subnet that the Service asks for; "" if it no longer asks Weft. */
  readonly subnet: string;
  /** The addresses that it asks for; "" for any. */
  readonly v4: string;
  readonly v6: string;
  /** The only family of the Service; absent: both. */
  readonly family?: 4 | 6;
  /** The addresses in its status, if Weft has written them. */
  readonly given?: { readonly subnet: string; readonly v4: string; readonly v6: string };
  /** What is in its status instead: another implementation has written it, or the annotation is lost. */
  readonly unrecorded: readonly string[];
  /** Weft has written addresses into the status, and something else has removed them. */
  readonly removed?: true;
  /** The annotation with which another implementation says that it has given the addresses in the status; left over if there are none. */
  readonly claimedBy?: string;
  /** Its class is Weft's, so no other implementation gives it addresses. */
  readonly exclusive: boolean;
  /** `loadBalancerSourceRanges` are set. */
  readonly restricted: boolean;
}

/** One port of a Service, or of its endpoints. */
export interface ServicePortFact {
  /** The name that a Service's port and its endpoints' port share; "" for the only one of a Service. */
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
}

/** One EndpointSlice of a Service. */
export interface EndpointSliceFact extends RuleOwnedFact {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  /** Key of the Service. */
  readonly service: string;
  /** With the port numbers of its endpoints: a named target port may differ in each slice. */
  readonly ports: readonly ServicePortFact[];
  /** The usable endpoints, each address once, sorted by address. */
  readonly endpoints: readonly EndpointFact[];
  /** What of it cannot be balanced. */
  readonly problems: readonly ProblemFact[];
}

/** One usable endpoint. */
export interface EndpointFact {
  readonly address: string;
  /** Ready, or terminating but still serving. */
  readonly state: "ready" | "draining";
  /** Its node; "" if unknown. */
  readonly node: string;
  /** Its pod (`namespace/name`), by its `targetRef`; "" for none. */
  readonly pod: string;
  /** `hints.forZones`: the zones whose clients should use it. */
  readonly forZones: readonly string[];
  /** `hints.forNodes`: the nodes whose clients should use it. */
  readonly forNodes: readonly string[];
}

/** An invalid part of an object. */
export interface ProblemFact {
  /** The field, as a path: `spec.ports[0].port`. */
  readonly path: string;
  /** One CamelCase word. */
  readonly reason: string;
  /** The value, the problem, and what would be accepted. */
  readonly message: string;
}

/** The addresses at which pods' switches balance a Service, each once: all except those restricted to some clients, which OVN cannot distinguish. */
export function balancedAddresses({
  addresses,
  externalIps,
  ingressIps,
  restrictedFamilies,
}: ServiceFact): readonly string[] {
  const open = ingressIps.filter((address) => !restrictedFamilies.includes(address.includes(":") ? 6 : 4));
  return [...addresses, ...externalIps, ...open];
}

/** A port of an address of a Service, for comparison. */
export function servicePortKey(
  address: string,
  { protocol, port }: Pick<ServicePortFact, "protocol" | "port">,
): string {
  return `${address} ${port}/${protocol}`;
}
