// SPDX-License-Identifier: Apache-2.0

// Generated from crds/subnets.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";
import type { Count } from "../count.ts";
import type { LabelSelector } from "../label-selector.ts";

/** Desired state of the subnet. The controller writes the defaults into fields that are not set. */
export interface SubnetSpec {
  /**
   * Whether this is the default subnet of the default VPC. The controller sets it to false on every subnet except
   * `ovn-default`. For a custom VPC, set `Vpc.spec.defaultSubnet` instead.
   */
  readonly default?: boolean;
  /**
   * Name of the Vpc whose router the subnet is connected to. Default `ovn-cluster`. Immutable, except on a subnet with
   * a `vlan`.
   */
  readonly vpc?: string;
  /**
   * Address families of the subnet. The controller derives it from `cidrBlock` and overwrites other values. `Mac` is a
   * subnet with a `vlan` and without `cidrBlock`, whose pods use an external DHCP server.
   */
  readonly protocol?: "" | "IPv4" | "IPv6" | "Dual" | "Mac";
  /**
   * Namespaces whose pods get addresses from this subnet. Several subnets may name the same namespace; the first that
   * has addresses available is used. In a custom VPC they must be namespaces of the VPC.
   */
  readonly namespaces?: readonly string[];
  /**
   * Additional namespaces, selected by labels. A namespace belongs to the subnet if any of the selectors matches it.
   */
  readonly namespaceSelectors?: readonly LabelSelector[];
  /**
   * The subnet's addresses: one CIDR, or for dual stack an IPv4 and an IPv6 CIDR separated by a comma, for example
   * `10.16.0.0/16,fd00:10:16::/112`. Host bits are cleared. Can be enlarged later. Optional only if `vlan` is set.
   */
  readonly cidrBlock?: string;
  /**
   * Gateway of the pods: one address of each family, separated by a comma. In an overlay subnet it is the address of
   * the logical router, otherwise of a router in the network of `vlan`. Default for each family: the first address of
   * the CIDR.
   */
  readonly gateway?: string;
  /**
   * Addresses that are not allocated unless a pod requests them: single addresses or inclusive ranges, for example
   * `10.16.0.2..10.16.0.10`. The controller adds the gateway. Mutable.
   */
  readonly excludeIps?: readonly string[];
  /**
   * Which interfaces of pods the subnet serves. Default `ovn`: their primary interfaces. For secondary interfaces
   * (Multus) it is `<name>.<namespace>.ovn` of the NetworkAttachmentDefinition if the interface is in OVN, or
   * `<name>.<namespace>` if another plugin creates the interface and only the address comes from this subnet.
   */
  readonly provider?: string;
  /**
   * Where egress traffic leaves the cluster. `distributed` (the default in the default VPC): on the node of each pod.
   * `centralized`: on the nodes of `gatewayNode` or `gatewayNodeSelectors`.
   */
  readonly gatewayType?: "" | "distributed" | "centralized";
  /**
   * Nodes of a centralized gateway, separated by commas, for example `node1,node2`. A node can be given with the source
   * address of its egress traffic: `node1:172.18.0.2`. The first ready node is used, or all of them with `enableEcmp`.
   */
  readonly gatewayNode?: string;
  /** Nodes of a centralized gateway, selected by labels; used if `gatewayNode` is empty. */
  readonly gatewayNodeSelectors?: readonly LabelSelector[];
  /**
   * Whether egress traffic is translated (SNAT) to the address of the node on which it leaves the cluster. Without it,
   * the network outside the cluster needs a route to the subnet. Default false. Cannot be combined with
   * `externalEgressGateway`.
   */
  readonly natOutgoing?: boolean;
  /** Exceptions to `natOutgoing`, in order: the first matching rule decides. */
  readonly natOutgoingPolicyRules?: readonly SubnetNatOutgoingPolicyRule[];
  /**
   * Address of a router outside the cluster (one of each family, separated by a comma) to which the node sends the
   * subnet's egress traffic, by policy routing instead of the main routing table. For example `192.168.0.1`.
   */
  readonly externalEgressGateway?: string;
  /** Priority of the node's routing rule for `externalEgressGateway`, for example 1500. */
  readonly policyRoutingPriority?: number;
  /**
   * Number of the node's routing table for `externalEgressGateway`, for example 1000. No two subnets may share one, and
   * the node must not use it for anything else.
   */
  readonly policyRoutingTableID?: number;
  /**
   * MTU of pods' interfaces in bytes, at least 1280 with IPv6. Default (also 0): MTU of the underlying network, less
   * 100 bytes for the tunnel in an overlay subnet.
   */
  readonly mtu?: number;
  /** Whether only the subnet's own pods, the nodes and `allowSubnets` may reach the subnet's pods. Default false. */
  readonly private?: boolean;
  /** CIDRs that may reach a private subnet, for example `10.17.0.0/16`. */
  readonly allowSubnets?: readonly string[];
  /**
   * Whether traffic between the subnet's pods is allowed regardless of `acls`. Default false. Has an effect only if
   * `acls` is set.
   */
  readonly allowEWTraffic?: boolean;
  /** ACLs on the subnet's logical switch, for all of its ports. */
  readonly acls?: readonly SubnetAcl[];
  /**
   * Name of the Vlan object that connects the subnet to a physical network. If empty (the default), an overlay subnet:
   * its packets go through tunnels between the nodes.
   */
  readonly vlan?: string;
  /**
   * Addresses of the subnet that pods can take over from each other (keepalived): OVN gets a virtual port for each. The
   * pods whose annotation `port_vips` names an address may have it. They are allocated only to pods that request them.
   */
  readonly vips?: readonly string[];
  /**
   * On a subnet with a `vlan`: whether the gateway is the logical router, as in an overlay subnet, instead of a router
   * in the physical network. Default false.
   */
  readonly logicalGateway?: boolean;
  /** Whether pods start even if their gateway does not reply. Default false. */
  readonly disableGatewayCheck?: boolean;
  /** Whether OVN interconnection does not advertise the subnet to other clusters. Default false. */
  readonly disableInterConnection?: boolean;
  /** Whether OVN answers DHCP requests in the subnet (for virtual machines). Default false. */
  readonly enableDHCP?: boolean;
  /**
   * DHCPv4 options (ovn-nb(5), table DHCP_Options) as `name=value`, separated by commas; several addresses in braces:
   * `dns_server={8.8.8.8,1.1.1.1},domain_name="example.com"`. They are added to the defaults
   * `lease_time=3600,router=<gateway>,server_id=169.254.0.254,server_mac=<generated>,mtu=<mtu>`. Options that OVN does
   * not know or cannot parse are ignored, and the condition `Ready` names them.
   */
  readonly dhcpV4Options?: string;
  /**
   * DHCPv6 options, in the same format: `dns_server={fd00::a,fd00::b},domain_search=lan`. `domain_search` is one name
   * without dots (OVN cannot send others); other search lists are `dnssl` in `ipv6RAConfigs`. Default
   * `server_id=<generated>`.
   */
  readonly dhcpV6Options?: string;
  /** Whether the router sends IPv6 router advertisements into the subnet. Default false. */
  readonly enableIPv6RA?: boolean;
  /**
   * Options of router advertisements (ovn-nb(5), table Logical_Router_Port, `ipv6_ra_configs`), in the same format.
   * Default `address_mode=dhcpv6_stateful,max_interval=30,min_interval=5,send_periodic=true`.
   */
  readonly ipv6RAConfigs?: string;
  /**
   * On a subnet with a `vlan`: whether pods of the VPC's overlay subnets and of this one reach each other through the
   * logical router instead of the physical network. Default false.
   */
  readonly u2oInterconnection?: boolean;
  /**
   * The logical router's address in the subnet for `u2oInterconnection`, one of each family separated by a comma.
   * Default: an available one.
   */
  readonly u2oInterconnectionIP?: string;
  /** Details of `u2oInterconnection`. */
  readonly u2oFeatures?: SubnetU2oFeatures;
  /** Whether OVN's load balancers serve the subnet's pods. Default: the controller's `--enable-lb`. */
  readonly enableLb?: boolean;
  /** Whether all nodes of a centralized gateway are active (ECMP), instead of one at a time. Default false. */
  readonly enableEcmp?: boolean;
  /**
   * Whether multicast is sent only to ports that joined the group (snooping), and the router sends membership queries.
   * Default false.
   */
  readonly enableMulticastSnoop?: boolean;
  /** Whether Services of type LoadBalancer can have addresses of the subnet (MetalLB). Default false. */
  readonly enableExternalLBAddress?: boolean;
  /** The VPC's routing table for the subnet's traffic. Default: the main table. */
  readonly routeTable?: string;
  /**
   * Which of the nodes' networks (annotation `ovn.kubernetes.io/node_networks`) carries the subnet's tunnels. Default:
   * that of the node's own address.
   */
  readonly nodeNetwork?: string;
}

/** One exception to `natOutgoing`. */
export interface SubnetNatOutgoingPolicyRule {
  /** `nat`: the source address becomes the node's. `forward`: it is kept. */
  readonly action?: "" | "nat" | "forward";
  /** Which packets match. If both fields are set, both must match. */
  readonly match?: SubnetNatOutgoingPolicyRuleMatch;
}

/** Which packets match. If both fields are set, both must match. */
export interface SubnetNatOutgoingPolicyRuleMatch {
  /**
   * Source addresses and CIDRs of one family, separated by commas, for example `10.16.0.10,10.16.4.0/24`. Empty: all
   * addresses.
   */
  readonly srcIPs?: string;
  /** Destination addresses and CIDRs of one family, separated by commas. Empty: all addresses. */
  readonly dstIPs?: string;
}

/** One ACL (ovn-nb(5), table ACL). */
export interface SubnetAcl {
  /** `from-lport`: packets from pods. `to-lport`: packets to pods. */
  readonly direction: "from-lport" | "to-lport";
  /** Of the matching ACLs, the one with the highest priority decides. */
  readonly priority?: number;
  /** Which packets match, as an OVN match expression, for example `ip4.dst == 10.10.0.2 && tcp`. */
  readonly match?: string;
  /** `allow-related` also allows the replies; `reject` replies with an error. */
  readonly action: "allow" | "allow-related" | "allow-stateless" | "drop" | "reject" | "pass";
}

/** Details of `u2oInterconnection`. */
export interface SubnetU2oFeatures {
  /**
   * Whether only traffic to overlay subnets goes through the logical router, and all other traffic to the physical
   * gateway. Default false.
   */
  readonly overlayOnlyRouting?: boolean;
}

/**
 * Observed state. Counts of addresses are numbers up to 2^53 - 1 and decimal strings beyond that, because the API
 * server rounds larger numbers.
 */
export interface SubnetStatus {
  /** `Ready`: the subnet serves pods. `Validated`: its spec can be used. */
  readonly conditions?: readonly Condition[];
  /** Number of available IPv4 addresses. */
  readonly v4availableIPs?: Count;
  /** Available IPv4 addresses: `a-b,c`. If there are more than 48 ranges, the first ones and `...`. */
  readonly v4availableIPrange?: string;
  /** Number of IPv4 addresses in use. */
  readonly v4usingIPs?: Count;
  /** IPv4 addresses in use. */
  readonly v4usingIPrange?: string;
  /** Number of available IPv6 addresses. */
  readonly v6availableIPs?: Count;
  /** Available IPv6 addresses. */
  readonly v6availableIPrange?: string;
  /** Number of IPv6 addresses in use. */
  readonly v6usingIPs?: Count;
  /** IPv6 addresses in use. */
  readonly v6usingIPrange?: string;
  /** The active node of a centralized gateway, if one node at a time is active. */
  readonly activateGateway?: string;
  /** UUID of the row in DHCP_Options for IPv4. */
  readonly dhcpV4OptionsUUID?: string;
  /** UUID of the row in DHCP_Options for IPv6. */
  readonly dhcpV6OptionsUUID?: string;
  /** The logical router's address for `u2oInterconnection`. */
  readonly u2oInterconnectionIP?: string;
  /** The logical router's MAC address for `u2oInterconnection`. */
  readonly u2oInterconnectionMAC?: string;
  /** The Vpc whose router has that address. */
  readonly u2oInterconnectionVPC?: string;
  /** The rules of `spec.natOutgoingPolicyRules`, as applied on the nodes. */
  readonly natOutgoingPolicyRules?: readonly SubnetStatusNatOutgoingPolicyRule[];
  /** Source address of the router's membership queries for multicast. */
  readonly mcastQuerierIP?: string;
  /** Source MAC address of these queries. */
  readonly mcastQuerierMAC?: string;
}

/** One rule. */
export interface SubnetStatusNatOutgoingPolicyRule {
  /** ID in the names of the rule's ipsets on the nodes; derived from the content of the rule. */
  readonly ruleID?: string;
  /** `nat` or `forward`. */
  readonly action?: string;
  /** Which packets match. */
  readonly match?: SubnetStatusNatOutgoingPolicyRuleMatch;
}

/** Which packets match. */
export interface SubnetStatusNatOutgoingPolicyRuleMatch {
  /** Source addresses and CIDRs. */
  readonly srcIPs?: string;
  /** Destination addresses and CIDRs. */
  readonly dstIPs?: string;
}
