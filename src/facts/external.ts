// SPDX-License-Identifier: Apache-2.0

/** The nodes that may host routers' ports in external subnets; derived by `src/compile/vpc/external-gateways.ts`. Key: {@link EXTERNAL_GATEWAYS}. */
export interface ExternalGatewaysFact {
  readonly key: string;
  /** With the label `ovn.kubernetes.io/external-gw: "true"` and a chassis in OVN, sorted by name. */
  readonly nodes: readonly { readonly name: string; readonly chassis: string }[];
}

/** The chassis that may have the address of an OvnEip of type `lsp`; derived by `src/compile/nat/node-eip-chassis.ts`. Absent for other OvnEips. */
export interface NodeEipChassisFact {
  /** Name of the OvnEip. */
  readonly key: string;
  /** The first one that is alive has the address. Empty if no node can forward. */
  readonly chassis: readonly string[];
}

/** The VPC in which an OvnEip is used; derived by `src/compile/nat/eip-exclusion.ts`. Absent if it is not used. */
export interface EipVpcFact {
  /** Name of the OvnEip. */
  readonly key: string;
  readonly vpc: string;
  /** The object that uses it, for messages. */
  readonly user: string;
}

/**
 * The addresses to which the router of a VPC balances connections from outside for a Service: its addresses in an external subnet, or its RouterLBRule. Derived by
 * `src/compile/nat/router-endpoints.ts`. Absent if the router does not.
 */
export interface RouterEndpointsFact {
  /** Key of the Service. */
  readonly key: string;
  readonly vpc: string;
  /** The Service or its RouterLBRule, for messages. */
  readonly who: string;
  /** Of its usable endpoints, sorted. */
  readonly addresses: readonly string[];
}

/** The key of the one {@link ExternalGatewaysFact}. */
export const EXTERNAL_GATEWAYS = "external";

/** The default external subnet: Kube-OVN's flag `--external-gateway-switch`, by its default. */
export const DEFAULT_EXTERNAL_SUBNET = "external";
