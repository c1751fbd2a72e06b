// SPDX-License-Identifier: Apache-2.0

import type { RuleOwnedFact, VipServiceFact } from "./vip-service.ts";

/** One Service that has cluster addresses or VIPs. */
export interface ServiceFact extends VipServiceFact {
  readonly key: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Its `clusterIPs`, one of each family at most. */
  readonly addresses: readonly string[];
  /** Its `externalIPs`, which are not `addresses` as well. */
  readonly externalIps: readonly string[];
  /** `status.loadBalancer.ingress[].ip` of mode VIP, which are not among the others as well: those of mode Proxy are a load balancer's own. */
  readonly ingressIps: readonly string[];
  /** The families of whose `ingressIps` not every client may be served: `loadBalancerSourceRanges`. */
  readonly restrictedFamilies: readonly (4 | 6)[];
  readonly ports: readonly ServicePortFact[];
  /** `sessionAffinity: ClientIP`: for so many seconds after its last connection a client keeps its endpoint; 0: it has none to keep. */
  readonly affinity: number;
  /** `internalTrafficPolicy: Local`: only endpoints on the client's node. */
  readonly nodeLocal: boolean;
  /** It has affinity, and node ports or external addresses. */
  readonly stickyOutside?: true;
  /**
   * The ports of its cluster addresses at which the endpoints of all nodes are used, although it is `nodeLocal`: see {@link
   * import("../api/node-port-target.ts").nodePortTarget}. Absent where there is none.
   */
  readonly wide?: readonly { readonly of: ServicePortFact; readonly port: number }[];
  /** By a label it is another proxy's, or nobody's (`isLeftToOthers`). */
  readonly leftToOthers: boolean;
  /** The VPC that its annotation names, which the controller writes; "" where none does. */
  readonly vpc: string;
  /** The VPC that a user has chosen for it by naming router and switch; "" where it follows its endpoints. */
  readonly chosenVpc: string;
  /** What of it cannot be balanced. */
  readonly problems: readonly ProblemFact[];
}

/** One port of a Service, or of its endpoints. */
export interface ServicePortFact {
  /** What a Service's port and its endpoints' have in common; "" for the only one of a Service. */
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
  /** With the numbers of its own endpoints: a named target port may have another one in each slice. */
  readonly ports: readonly ServicePortFact[];
  /** Those that may be sent to, each address once, sorted by address. */
  readonly endpoints: readonly EndpointFact[];
  /** What of it cannot be balanced. */
  readonly problems: readonly ProblemFact[];
}

/** One endpoint that may be sent to. */
export interface EndpointFact {
  readonly address: string;
  /** Ready; or it ends but still serves. */
  readonly state: "ready" | "draining";
  /** The node that it is on; "" where it is not said. */
  readonly node: string;
  /** The pod that it is (`namespace/name`), by its `targetRef`; "" where that names none. */
  readonly pod: string;
  /** `hints.forZones`: the zones whose clients are to use it. */
  readonly forZones: readonly string[];
}

/** What of an object cannot be as it is written. */
export interface ProblemFact {
  /** The field, as a path: `spec.ports[0].port`. */
  readonly path: string;
  /** One CamelCase word. */
  readonly reason: string;
  /** Names the value, what is wrong, and what would be accepted. */
  readonly message: string;
}

/** The addresses at which pods' switches balance a Service, each once: all but those that not every client may use, which OVN cannot tell. */
export function balancedAddresses({
  addresses,
  externalIps,
  ingressIps,
  restrictedFamilies,
}: ServiceFact): readonly string[] {
  const open = ingressIps.filter((address) => !restrictedFamilies.includes(address.includes(":") ? 6 : 4));
  return [...addresses, ...externalIps, ...open];
}
