// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";
import type { Dual } from "../net/dual.ts";
import type { AcceptedSubnet, RecordAnnotations } from "./accepted.ts";
import type { CustomObjectFact } from "./meta.ts";

/** One Subnet, its defaults filled in. */
export interface SubnetFact extends CustomObjectFact {
  readonly isDefault: boolean;
  readonly vpc: string;
  readonly provider: string;
  readonly protocol: string;
  readonly vlan: string;
  /** With a vlan: the gateway is the VPC's router, as in an overlay subnet. */
  readonly logicalGateway: boolean;
  /** With a vlan: pods of it and of the VPC's overlay subnets reach each other by the VPC's router, which has an address in it. */
  readonly u2o?: UnderlayToOverlayFact;
  /** Canonical CIDRs. */
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  /** Unparsed, with the gateway: addresses, `a..b` ranges. */
  readonly excludeIps: readonly string[];
  /** Addresses that its pods take over from each other, unparsed. */
  readonly vips: readonly string[];
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  readonly gatewayType: "distributed" | "centralized";
  /** Node names of a centralized gateway, in order. */
  readonly gatewayNodes: readonly string[];
  /** The source addresses of nodes in `gatewayNode`, in canonical form; invalid ones unparsed. */
  readonly gatewaySources: { readonly ips: readonly string[]; readonly invalid: readonly string[] };
  /** Its gateway nodes by labels; used if `gatewayNodes` is empty. */
  readonly gatewayNodeSelectors: readonly LabelSelector[];
  readonly enableEcmp: boolean;
  readonly natOutgoing: boolean;
  /** The exceptions to it, in order, unparsed. */
  readonly natRules: readonly NatRuleFact[];
  /** Its external router ("" for none), unparsed; 0 for a number that is not set. */
  readonly egress: { readonly gateway: string; readonly table: number; readonly priority: number };
  readonly enableDhcp: boolean;
  readonly dhcpV4Options: string;
  readonly dhcpV6Options: string;
  readonly enableIpv6Ra: boolean;
  readonly ipv6RaConfigs: string;
  /** Whether OVN balances its pods' packets to Services. */
  readonly enableLb: boolean;
  /** Multicast snooping: multicast is sent to members only. */
  readonly enableMulticastSnoop: boolean;
  readonly mtu: number;
  /** The routing table of its VPC's router by which its pods' packets are routed; "" for the main one. */
  readonly routeTable: string;
  /** The nodes' network that the tunnels of its pods use; "" for the default one. */
  readonly nodeNetwork: string;
  /** Only its own pods, the nodes and `allowSubnets` reach its pods. */
  readonly private: boolean;
  /** As written. */
  readonly allowSubnets: readonly string[];
  readonly allowEwTraffic: boolean;
  readonly acls: readonly SubnetAclFact[];
  /** The fields of `NOT_SUPPORTED` that it sets. */
  readonly unsupported: readonly string[];
  /** Spec fields that are empty in the object and that the controller fills in, as Kube-OVN does. */
  readonly missing: Readonly<Record<string, unknown>>;
  /** Why the spec is invalid, as a message; absent if it is valid. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

/** A Subnet's spec, with the addresses that were last accepted. `SubnetFact` is the accepted configuration. */
export interface SubnetSpecFact extends SubnetFact {
  /** Whether it has any annotations. */
  readonly annotated: boolean;
  /** See `ACCEPTED_ANNOTATION`; absent if it was never accepted. */
  readonly accepted?: AcceptedSubnet;
  readonly records: RecordAnnotations;
  /** Its annotation with the contract for nodes, unparsed; absent if it has none. */
  readonly nodeContract?: string;
}

/** `u2oInterconnection` of a subnet. */
export interface UnderlayToOverlayFact {
  /** The wanted address of the router, one of each family at most, unparsed; "" for any. */
  readonly ip: string;
  /** Only packets of overlay subnets and to them go by the router; all others to the physical gateway. */
  readonly overlayOnly: boolean;
}

/** One entry of `Subnet.spec.acls`, unparsed; the API server validates direction and action. */
export interface SubnetAclFact {
  readonly direction: "from-lport" | "to-lport";
  readonly priority: number;
  readonly match: string;
  readonly action: "allow" | "allow-related" | "allow-stateless" | "drop" | "reject" | "pass";
}

/** One entry of `Subnet.spec.natOutgoingPolicyRules`, unparsed; "" for absent fields. */
export interface NatRuleFact {
  readonly action: string;
  readonly srcIPs: string;
  readonly dstIPs: string;
}

/** A node that may carry the traffic of a centralized subnet. */
export interface GatewayNodeFact {
  readonly name: string;
  /** Its addresses on the join switch. */
  readonly join: Dual<string>;
  /** Why it is not usable, to be appended to its name in a message; absent if it is ready. */
  readonly problem?: string;
  /** Its only problem is that other nodes report that they do not reach it: they may be the failed ones. */
  readonly unreached?: true;
}

/**
 * The chassis that monitor a gateway node, itself included: a group in which OVN decides by BFD who is alive; derived by
 * `src/compile/gateway/gateway-groups.ts`. Key: the node. Absent if there is no other gateway node to fail over to. In a group of two, OVN decides
 * nothing: each node reports the state of its tunnels to the other one ({@link GatewaySplitFact}).
 */
export interface GatewayGroupFact {
  readonly key: string;
  /** Names of chassis, the node's own first. */
  readonly members: readonly string[];
}

/** The other members of its group do not reach this gateway node; derived by `src/controller/status/gateway-watch.ts`. Key: the node. */
export interface GatewayLossFact {
  readonly key: string;
}

/**
 * In a cluster of two nodes: the tunnels between this gateway node and the other one are down; derived by `src/controller/status/gateway-splits.ts`.
 * Key: the gateway node.
 */
export interface GatewaySplitFact {
  readonly key: string;
  /** Name of the other node. */
  readonly peer: string;
  /** The other node reports it, and the gateway node does not report the other one: it is considered dead. */
  readonly lost: boolean;
}

/** The gateway nodes of a centralized subnet of the default VPC; derived by `src/compile/gateway/gateway-nodes.ts`. Key: the subnet. */
export interface SubnetGatewaysFact {
  readonly key: string;
  /** The existing ones, in order of preference. */
  readonly nodes: readonly GatewayNodeFact[];
  /** Names of nodes that do not exist. */
  readonly missing: readonly string[];
  /** The tunnels between its two gateway nodes, the only nodes of the cluster, are down: packets leave by the pod's own node. */
  readonly split: boolean;
}

/**
 * The subnet of the default VPC that contains a node's InternalIP, by family; derived by `src/compile/node/node-subnets.ts`. Key: the node; none if
 * no address is in a subnet.
 */
export interface NodeSubnetsFact extends Dual<string> {
  readonly key: string;
}

/**
 * Whether a subnet is accepted; derived from the subnet, its neighbours and the nodes, and stored as a fact so that pods are triggered by a change of
 * the verdict only. A subnet that is not accepted has no rows and allocates no addresses.
 */
export interface VerdictFact {
  readonly key: string;
  readonly ok: boolean;
  /** One CamelCase word. */
  readonly reason: string;
  /** A message: the value, what it conflicts with, and what would be accepted. */
  readonly message: string;
  /** If the last accepted addresses stay active: why the new ones are not accepted. */
  readonly refused?: { readonly reason: string; readonly message: string };
}
