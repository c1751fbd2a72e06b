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
  /** Canonical CIDRs. */
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  /** As written, the gateway added: addresses, `a..b` ranges. */
  readonly excludeIps: readonly string[];
  /** Addresses that its pods take over from each other, as written. */
  readonly vips: readonly string[];
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  readonly gatewayType: "distributed" | "centralized";
  /** Node names of a centralized gateway, in order. */
  readonly gatewayNodes: readonly string[];
  /** The addresses that `gatewayNode` gives beside nodes' names, from which these send, in canonical form; others as they are written. */
  readonly gatewaySources: { readonly ips: readonly string[]; readonly invalid: readonly string[] };
  /** Its nodes by their labels; they count where `gatewayNodes` is empty. */
  readonly gatewayNodeSelectors: readonly LabelSelector[];
  readonly enableEcmp: boolean;
  readonly natOutgoing: boolean;
  /** The exceptions to it, in order, as written. */
  readonly natRules: readonly NatRuleFact[];
  /** The router outside by which it leaves ("" for none), as written; 0 for a number that is not set. */
  readonly egress: { readonly gateway: string; readonly table: number; readonly priority: number };
  readonly enableDhcp: boolean;
  readonly dhcpV4Options: string;
  readonly dhcpV6Options: string;
  readonly enableIpv6Ra: boolean;
  readonly ipv6RaConfigs: string;
  /** Whether OVN balances what its pods send to Services. */
  readonly enableLb: boolean;
  /** Multicast goes to members only. */
  readonly enableMulticastSnoop: boolean;
  readonly mtu: number;
  /** The routing table of its VPC's router by which its pods' packets are routed; "" for the main one. */
  readonly routeTable: string;
  /** Which of the nodes' networks the tunnels of its pods use; "" for the default one. */
  readonly nodeNetwork: string;
  /** Only its own pods, the nodes and `allowSubnets` reach its pods. */
  readonly private: boolean;
  /** As written. */
  readonly allowSubnets: readonly string[];
  readonly allowEwTraffic: boolean;
  readonly acls: readonly SubnetAclFact[];
  /** What it sets of `NOT_SUPPORTED`. */
  readonly unsupported: readonly string[];
  /** Spec fields that are empty in the object and that the controller fills in, as Kube-OVN does. */
  readonly missing: Readonly<Record<string, unknown>>;
  /** Why the spec cannot be used, in a sentence; absent where it can. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

/** A Subnet's spec, with the addresses that were last accepted. `SubnetFact` is the accepted configuration. */
export interface SubnetSpecFact extends SubnetFact {
  /** Whether it has any annotations. */
  readonly annotated: boolean;
  /** See `ACCEPTED_ANNOTATION`; absent where it never was accepted. */
  readonly accepted?: AcceptedSubnet;
  readonly records: RecordAnnotations;
  /** Its annotation that says what nodes are to do for it, as it is; absent where it has none. */
  readonly nodeContract?: string;
}

/** One entry of `Subnet.spec.acls`, as written; the API server vouches for direction and action. */
export interface SubnetAclFact {
  readonly direction: "from-lport" | "to-lport";
  readonly priority: number;
  readonly match: string;
  readonly action: "allow" | "allow-related" | "allow-stateless" | "drop" | "reject" | "pass";
}

/** One entry of `Subnet.spec.natOutgoingPolicyRules`, as written; "" for what it lacks. */
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
  /** Why nothing should be led to it, in words that follow its name; absent where it is ready. */
  readonly problem?: string;
  /** Its problem is only that other nodes are said not to reach it: they may be the dead ones. */
  readonly unreached?: true;
}

/**
 * The chassis that watch a gateway node, itself included: a group in which OVN decides by BFD who is alive; derived by `src/compile/gateway/gateway-groups.ts`. Key: the
 * node. Absent where there is no other gateway node to fail over to. In a group of two, OVN decides nothing: each node reports what it sees of the other ({@link GatewaySplitFact}).
 */
export interface GatewayGroupFact {
  readonly key: string;
  /** Names of chassis, the node's own first. */
  readonly members: readonly string[];
}

/** That the other members of its group do not reach a gateway node; derived by `src/controller/status/gateway-watch.ts`. Key: the node. */
export interface GatewayLossFact {
  readonly key: string;
}

/**
 * In a cluster of two nodes: that the tunnels between a gateway node and the other one are down; derived by `src/controller/status/gateway-splits.ts`. Key: the
 * gateway node.
 */
export interface GatewaySplitFact {
  readonly key: string;
  /** Name of the other node. */
  readonly peer: string;
  /** The other node reports it, and the gateway node itself does not report the other one: it is taken for dead. */
  readonly lost: boolean;
}

/** The gateway nodes of a centralized subnet of the default VPC; derived by `src/compile/gateway/gateway-nodes.ts`. Key: the subnet. */
export interface SubnetGatewaysFact {
  readonly key: string;
  /** Those that exist, in the order in which they are preferred. */
  readonly nodes: readonly GatewayNodeFact[];
  /** Names of those that do not. */
  readonly missing: readonly string[];
  /** Tunnels between its two gateway nodes, which are the cluster's only nodes, are down: pods leave by their own node. */
  readonly split: boolean;
}

/** In which subnet of the default VPC a node's InternalIP is, by family; derived by `src/compile/node/node-subnets.ts`. Key: the node; none for a node of which no address is. */
export interface NodeSubnetsFact extends Dual<string> {
  readonly key: string;
}

/**
 * Whether a subnet is accepted; derived from the subnet, its neighbours and the nodes, and kept as a fact so that pods
 * are woken by a change of the verdict only. A subnet that is not accepted has no rows and gives no addresses.
 */
export interface VerdictFact {
  readonly key: string;
  readonly ok: boolean;
  /** One CamelCase word. */
  readonly reason: string;
  /** A sentence that names the value, what it clashes with, and what would be accepted. */
  readonly message: string;
  /** Of a subnet whose last accepted addresses stay active: why its new ones are not accepted. */
  readonly refused?: { readonly reason: string; readonly message: string };
}
