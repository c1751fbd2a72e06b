// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";
import type { Dual } from "../net/dual.ts";
import type { RecordAnnotations } from "./accepted.ts";
import type { CustomObjectFact } from "./meta.ts";

/** One VPC, its defaults filled in. */
export interface VpcFact extends CustomObjectFact {
  readonly isDefault: boolean;
  readonly namespaces: readonly string[];
  /** The default subnet of pods in those namespaces. */
  readonly defaultSubnet: string;
  readonly staticRoutes: readonly StaticRouteFact[];
  readonly policyRoutes: readonly PolicyRouteFact[];
  /** At most one for each other VPC, none with itself. */
  readonly peerings: readonly PeeringFact[];
  /** Names of the external subnets in which its router is to have a port, each once. */
  readonly externals: readonly string[];
  /** The `extraExternalSubnets` without `enableExternal`, which have no effect. */
  readonly unusedExternals: readonly string[];
  /** The controller has set `enableExternal`, because ConfigMap `ovn-external-gw-config` says so. */
  readonly externalByConfig: boolean;
  /** Whether BFD monitors next hops in its external subnets. */
  readonly enableBfd: boolean;
  /** Absent if it is not enabled. */
  readonly bfdPort?: VpcBfdPortFact;
  /** Its invalid parts. */
  readonly problems: readonly { readonly path: string; readonly reason: string; readonly message: string }[];
  /** Whether it has any annotations. */
  readonly annotated: boolean;
  /** Its record of the accepted configuration; "" if it has none. */
  readonly accepted: string;
  readonly records: RecordAnnotations;
  /** The last accepted lists, if known. */
  readonly former: {
    readonly staticRoutes?: readonly StaticRouteFact[];
    readonly policyRoutes?: readonly PolicyRouteFact[];
    /** The lists that were active. */
    readonly vpcPeerings?: readonly PeeringFact[];
  };
}

/** `Vpc.spec.bfdPort`, enabled. */
export interface VpcBfdPortFact {
  /** Empty if `ip` is invalid, which `problems` reports. */
  readonly ip: Dual<string>;
  /** Absent: any nodes. */
  readonly nodeSelector?: LabelSelector;
}

/** The nodes that may host the BFD port of a VPC; derived (`src/compile/vpc/vpc-bfd-nodes.ts`). Key: the VPC. */
export interface BfdPortFact {
  readonly key: string;
  /** The first one hosts it while its chassis is alive. */
  readonly nodes: readonly { readonly name: string; readonly chassis: string }[];
}

/** One entry of `Vpc.spec.vpcPeerings`. */
export interface PeeringFact {
  /** Its path in the spec. */
  readonly path: string;
  readonly remoteVpc: string;
  /** This router's end of the link; empty if `localConnectIP` is invalid, which `problems` reports. */
  readonly local: Dual<LinkAddress>;
  /** The VPCs whose peerings, of the spec or of the record, overlap its network, sorted; absent if there are none. */
  readonly rivals?: readonly string[];
}

/** A router's address on the link to another router. */
export interface LinkAddress {
  readonly address: string;
  /** The CIDR of the link. */
  readonly network: string;
}

/** One entry of `Vpc.spec.staticRoutes`. */
export interface StaticRouteFact {
  /** Its path in the spec. */
  readonly path: string;
  readonly policy: "policyDst" | "policySrc";
  /** A CIDR or an address. */
  readonly cidr: string;
  readonly nextHopIp: string;
  readonly routeTable: string;
  /** Unparsed: `ecmp_symmetric_reply` or "". */
  readonly ecmpMode: string;
  /** The uuid of a row of table BFD, unparsed; "" for none. */
  readonly bfdId: string;
}

/** One entry of `Vpc.spec.policyRoutes`. */
export interface PolicyRouteFact {
  /** Its path in the spec. */
  readonly path: string;
  readonly priority: number;
  /** As written. */
  readonly match: string;
  readonly action: "allow" | "drop" | "reroute";
  /** Each once, of one family; with `reroute` only. */
  readonly nextHops: readonly string[];
}
