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
  readonly ports: readonly ServicePortFact[];
  /** `sessionAffinity: ClientIP`: for so many seconds after its last connection a client keeps its endpoint; 0: it has none to keep. */
  readonly affinity: number;
  /** `internalTrafficPolicy: Local`: only endpoints on the client's node. */
  readonly nodeLocal: boolean;
  /** Label `service.kubernetes.io/service-proxy-name`: whose it is, if not the cluster's proxy's. */
  readonly proxy: string;
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
  /** Addresses of the ready endpoints, sorted. */
  readonly ready: readonly string[];
  /** Addresses of those that end but still serve, sorted. */
  readonly draining: readonly string[];
  /** What of it cannot be balanced. */
  readonly problems: readonly ProblemFact[];
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
