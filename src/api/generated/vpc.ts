// SPDX-License-Identifier: Apache-2.0

// Made from crds/vpcs.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";
import type { LabelSelector } from "../label-selector.ts";

/** What the VPC is to be. */
export interface VpcSpec {
  /** Name of the Subnet that the VPC's namespaces get addresses from where no other names them. */
  readonly defaultSubnet?: string;
  /**
   * Namespaces that belong to the VPC; its subnets can only be bound to these. Empty for the default VPC, which has all
   * others.
   */
  readonly namespaces?: readonly string[];
  /** Routes of the logical router beside those to its subnets. */
  readonly staticRoutes?: readonly VpcStaticRoute[];
  /** What the logical router does with some packets before it looks for a route. */
  readonly policyRoutes?: readonly VpcPolicyRoute[];
  /** Links to other VPCs' routers. The other VPC must have the matching one. */
  readonly vpcPeerings?: readonly VpcPeering[];
  /**
   * Whether the router gets a port on the default external subnet (ConfigMap `ovn-external-gw-config`). Default false.
   */
  readonly enableExternal?: boolean;
  /** Names of further external Subnets (with a `vlan`) that the router gets a port on. */
  readonly extraExternalSubnets?: readonly string[];
  /**
   * Whether default routes over external gateway nodes are watched by BFD, so that a dead node is left out. Default
   * false.
   */
  readonly enableBfd?: boolean;
  /** A router port for BFD only, which egress gateways need that are watched by it. */
  readonly bfdPort?: VpcBfdPort;
}

/** One route. */
export interface VpcStaticRoute {
  /** What `cidr` is compared with: the packet's destination (`policyDst`, the default) or its source (`policySrc`). */
  readonly policy?: "" | "policyDst" | "policySrc";
  /** Which packets: a CIDR or an address, for example `172.31.0.0/16`. */
  readonly cidr: string;
  /** Address of the router that gets the packets, for example `10.0.1.254`. */
  readonly nextHopIP: string;
  /**
   * `ecmp_symmetric_reply`: several such routes of one `cidr` share the traffic, and answers go back the way that the
   * question came. Empty otherwise.
   */
  readonly ecmpMode?: string;
  /** UUID of the BFD session (ovn-nb(5), table BFD) that watches the next hop. Usually empty. */
  readonly bfdId?: string;
  /** Name of the routing table that holds the route. Default is the main one. */
  readonly routeTable?: string;
}

/** One rule (ovn-nb(5), table Logical_Router_Policy). */
export interface VpcPolicyRoute {
  /**
   * Of the rules that match, the one with the highest priority decides. In the default VPC the controller uses 29000 to
   * 31000 itself. Default 0.
   */
  readonly priority?: number;
  /** Which packets, in OVN's language: for example `ip4.src == 10.0.1.0/24`. */
  readonly match?: string;
  /** `allow`: go on as usual. `drop`: end it. `reroute`: send it to `nextHopIP`. */
  readonly action: "allow" | "drop" | "reroute";
  /** With `reroute`: address of the router that gets the packets, or several separated by commas that share them. */
  readonly nextHopIP?: string;
}

/** One link. */
export interface VpcPeering {
  /** Name of the other Vpc. */
  readonly remoteVpc?: string;
  /**
   * This router's address on the link, with the prefix that both ends share: for example `169.254.0.1/30`; for dual
   * stack two, separated by a comma.
   */
  readonly localConnectIP?: string;
}

/** A router port for BFD only, which egress gateways need that are watched by it. */
export interface VpcBfdPort {
  /** Whether there is such a port. */
  readonly enabled?: boolean;
  /**
   * The port's address, one of each family separated by a comma. Must not be used elsewhere in the VPC. For example
   * `10.255.255.255`.
   */
  readonly ip?: string;
  /** Labels of the nodes that may host the port. Default: any three. */
  readonly nodeSelector?: LabelSelector;
}

/** What the controller found and made. */
export interface VpcStatus {
  /** Statements about the object. */
  readonly conditions?: readonly Condition[];
  /** Whether the VPC is there for subnets to be made in it. */
  readonly standby?: boolean;
  /** Whether this is the default VPC. */
  readonly default?: boolean;
  /** Name of the subnet of `spec.defaultSubnet`, once it is there. */
  readonly defaultLogicalSwitch?: string;
  /** Name of the logical router. */
  readonly router?: string;
  /** In Kube-OVN the name of the load balancer for TCP. Empty: each Service has its own. */
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
  /** Names of the VPCs that are linked. */
  readonly vpcPeerings?: readonly string[];
  /** `spec.enableExternal` as it has been carried out. */
  readonly enableExternal?: boolean;
  /** `spec.extraExternalSubnets` as it has been carried out. */
  readonly extraExternalSubnets?: readonly string[];
  /** `spec.enableBfd` as it has been carried out. */
  readonly enableBfd?: boolean;
  /** The port of `spec.bfdPort`, once it is there. */
  readonly bfdPort?: VpcStatusBfdPort;
}

/** The port of `spec.bfdPort`, once it is there. */
export interface VpcStatusBfdPort {
  /** Name of the router port. */
  readonly name?: string;
  /** Its address. */
  readonly ip?: string;
  /** Names of the nodes that may host it. */
  readonly nodes?: readonly string[];
}
