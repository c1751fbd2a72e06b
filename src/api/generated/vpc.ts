// SPDX-License-Identifier: Apache-2.0

// Generated from crds/vpcs.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";
import type { LabelSelector } from "../label-selector.ts";

/** Desired state of the VPC. */
export interface VpcSpec {
  /** Name of the Subnet for namespaces of the VPC that no subnet names. */
  readonly defaultSubnet?: string;
  /**
   * Namespaces that belong to the VPC; only these can use its subnets. Empty for the default VPC, which has all other
   * namespaces.
   */
  readonly namespaces?: readonly string[];
  /** Static routes of the logical router, in addition to those to its subnets. */
  readonly staticRoutes?: readonly VpcStaticRoute[];
  /** Routing policies of the logical router; they take precedence over its routes. */
  readonly policyRoutes?: readonly VpcPolicyRoute[];
  /**
   * Peerings with other VPCs: a link between the two routers. The other VPC must have the matching peering, and no
   * subnet of the one may overlap a subnet of the other. `staticRoutes` of both VPCs decide which traffic uses the
   * link.
   */
  readonly vpcPeerings?: readonly VpcPeering[];
  /**
   * Whether the router gets a port in the default external subnet (ConfigMap `ovn-external-gw-config`). Default false.
   */
  readonly enableExternal?: boolean;
  /** Names of additional external Subnets (with a `vlan`) in which the router gets a port. */
  readonly extraExternalSubnets?: readonly string[];
  /**
   * Whether BFD monitors next hops in external subnets of static routes that share a destination, so that failed ones
   * are not used. Default false.
   */
  readonly enableBfd?: boolean;
  /** A router port for BFD, required by egress gateways that BFD monitors. */
  readonly bfdPort?: VpcBfdPort;
}

/** One route. */
export interface VpcStaticRoute {
  /**
   * Whether `cidr` is matched against the destination (`policyDst`, the default) or the source (`policySrc`) of
   * packets.
   */
  readonly policy?: "" | "policyDst" | "policySrc";
  /** Which packets match: a CIDR or an address, for example `172.31.0.0/16`. */
  readonly cidr: string;
  /** Address of the next hop, for example `10.0.1.254`. */
  readonly nextHopIP: string;
  /**
   * `ecmp_symmetric_reply`: several routes with the same `cidr` share the traffic (ECMP), and replies take the path of
   * the request. Otherwise empty.
   */
  readonly ecmpMode?: string;
  /** UUID of the BFD session (ovn-nb(5), table BFD) that monitors the next hop. Usually empty. */
  readonly bfdId?: string;
  /** Name of the routing table of the route. Default: the main table. */
  readonly routeTable?: string;
}

/** One routing policy (ovn-nb(5), table Logical_Router_Policy). */
export interface VpcPolicyRoute {
  /**
   * Of the matching policies, the one with the highest priority decides. In the default VPC the controller itself uses
   * 29000 to 31000. Default 0.
   */
  readonly priority?: number;
  /** Which packets match, as an OVN match expression, for example `ip4.src == 10.0.1.0/24`. */
  readonly match?: string;
  /** `allow`: forward the packet as usual. `drop`: drop it. `reroute`: send it to `nextHopIP`. */
  readonly action: "allow" | "drop" | "reroute";
  /** With `reroute`: address of the next hop, or several separated by commas (ECMP). */
  readonly nextHopIP?: string;
}

/** One peering. */
export interface VpcPeering {
  /** Name of the other Vpc. */
  readonly remoteVpc?: string;
  /**
   * This router's address on the link between the routers, with its prefix length, for example `169.254.0.1/30`; for
   * dual stack two, separated by a comma. The other VPC has another address of the same network.
   */
  readonly localConnectIP?: string;
}

/** A router port for BFD, required by egress gateways that BFD monitors. */
export interface VpcBfdPort {
  /** Whether the port exists. */
  readonly enabled?: boolean;
  /**
   * The port's address, one of each family separated by a comma. Must not be used elsewhere in the VPC. For example
   * `10.255.255.255`.
   */
  readonly ip?: string;
  /** Labels of the nodes that can host the port. Default: any three nodes. */
  readonly nodeSelector?: LabelSelector;
}

/** Observed state. */
export interface VpcStatus {
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
  /** Whether the VPC is ready for subnets. */
  readonly standby?: boolean;
  /** Whether this is the default VPC. */
  readonly default?: boolean;
  /** Name of the subnet of `spec.defaultSubnet`, once it exists. */
  readonly defaultLogicalSwitch?: string;
  /** Name of the logical router. */
  readonly router?: string;
  /**
   * In Kube-OVN, the name of the load balancer for TCP. Always empty, because each Service has its own load balancer.
   */
  readonly tcpLoadBalancer?: string;
  /** The same for TCP with session affinity. */
  readonly tcpSessionLoadBalancer?: string;
  /** The same for UDP. */
  readonly udpLoadBalancer?: string;
  /** The same for UDP with session affinity. */
  readonly udpSessionLoadBalancer?: string;
  /** The same for SCTP. */
  readonly sctpLoadBalancer?: string;
  /** The same for SCTP with session affinity. */
  readonly sctpSessionLoadBalancer?: string;
  /** Names of the VPC's subnets. */
  readonly subnets?: readonly string[];
  /** Names of the VPCs with which a peering is active. */
  readonly vpcPeerings?: readonly string[];
  /** `spec.enableExternal`, as applied. */
  readonly enableExternal?: boolean;
  /** `spec.extraExternalSubnets`, as applied. */
  readonly extraExternalSubnets?: readonly string[];
  /** Whether BFD monitors a route because of `spec.enableBfd`. */
  readonly enableBfd?: boolean;
  /** The port of `spec.bfdPort`, once it exists. */
  readonly bfdPort?: VpcStatusBfdPort;
}

/** The port of `spec.bfdPort`, once it exists. */
export interface VpcStatusBfdPort {
  /** Name of the router port. */
  readonly name?: string;
  /** Its address. */
  readonly ip?: string;
  /** Names of the nodes that can host the port. */
  readonly nodes?: readonly string[];
}
