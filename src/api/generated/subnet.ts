// SPDX-License-Identifier: Apache-2.0

// Made from crds/subnets.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";
import type { Count } from "../count.ts";
import type { LabelSelector } from "../label-selector.ts";

/** What the subnet is to be. The controller writes the defaults into fields that are left out. */
export interface SubnetSpec {
  /**
   * True for the one subnet of the default VPC whose addresses pods get that name no other. The controller sets it back
   * to false on any but `ovn-default`; a custom VPC names its own in `Vpc.spec.defaultSubnet`.
   */
  readonly default?: boolean;
  /**
   * Name of the Vpc whose router the subnet hangs on. Default `ovn-cluster`. Cannot be changed later, except on a
   * subnet with a `vlan`.
   */
  readonly vpc?: string;
  /**
   * The families of the subnet's addresses. Always follows from `cidrBlock`: the controller writes it, whatever is
   * given. `Mac` is a subnet with a `vlan` and no `cidrBlock`, whose pods ask an external DHCP server.
   */
  readonly protocol?: "" | "IPv4" | "IPv6" | "Dual" | "Mac";
  /**
   * Namespaces whose pods get addresses from here. A namespace may be named by several subnets; the first with room is
   * taken. In a custom VPC they must be among the VPC's own.
   */
  readonly namespaces?: readonly string[];
  /**
   * Further namespaces, by their labels. A namespace belongs to the subnet when any one of the selectors matches it.
   */
  readonly namespaceSelectors?: readonly LabelSelector[];
  /**
   * The subnet's addresses: one CIDR, or for dual stack an IPv4 and an IPv6 one separated by a comma, for example
   * `10.16.0.0/16,fd00:10:16::/112`. Host bits are cut off. May be enlarged later. May be empty only where `vlan` is
   * set.
   */
  readonly cidrBlock?: string;
  /**
   * Where pods send what leaves the subnet: one address of each family, separated by a comma. In an overlay subnet it
   * is the logical router's, otherwise that of a machine on the network of `vlan`. A family that is left out gets the
   * first address of its CIDR.
   */
  readonly gateway?: string;
  /**
   * Addresses that are given to nobody unless a pod asks for them by name: single ones, or ranges with both ends
   * included, for example `10.16.0.2..10.16.0.10`. The gateway is added by the controller. May be changed later.
   */
  readonly excludeIps?: readonly string[];
  /**
   * Which interfaces of pods the subnet serves. Default `ovn`, their own. For an attachment of Multus it is
   * `<name>.<namespace>.ovn` of its NetworkAttachmentDefinition where the interface is on OVN, or `<name>.<namespace>`
   * where another plugin makes it and only the address comes from here.
   */
  readonly provider?: string;
  /**
   * Where traffic to the outside leaves the cluster. `distributed` (the default in the default VPC): on the node of
   * each pod. `centralized`: on the nodes of `gatewayNode` or `gatewayNodeSelectors`.
   */
  readonly gatewayType?: "" | "distributed" | "centralized";
  /**
   * Nodes of a centralized gateway, separated by commas, for example `node1,node2`. A node may name the address that
   * its traffic is to leave with: `node1:172.18.0.2`. The first that is ready is used, or all with `enableEcmp`.
   */
  readonly gatewayNode?: string;
  /** Nodes of a centralized gateway by their labels; used where `gatewayNode` is empty. */
  readonly gatewayNodeSelectors?: readonly LabelSelector[];
  /**
   * Whether traffic to the outside gets the address of the node on which it leaves. Without it the network around the
   * cluster needs a route back to the subnet. Default false. Not together with `externalEgressGateway`.
   */
  readonly natOutgoing?: boolean;
  /** Exceptions from `natOutgoing`, in order: the first rule that a packet matches decides. */
  readonly natOutgoingPolicyRules?: readonly SubnetNatOutgoingPolicyRule[];
  /**
   * Address of a router outside the cluster (one for each family, separated by a comma) to which the node sends the
   * subnet's traffic to the outside, by policy routing instead of its main table. For example `192.168.0.1`.
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
   * MTU of pods' interfaces in bytes, at least 1280 where there is IPv6. Default (also 0): that of the network
   * underneath, less 100 for the tunnel where there is one.
   */
  readonly mtu?: number;
  /** Whether only the subnet's own pods, the nodes and `allowSubnets` may reach the subnet's pods. Default false. */
  readonly private?: boolean;
  /** CIDRs that may reach a private subnet, for example `10.17.0.0/16`. */
  readonly allowSubnets?: readonly string[];
  /**
   * Whether traffic among the subnet's own pods passes, whatever `acls` says. Default false. Only has an effect where
   * there are `acls`.
   */
  readonly allowEWTraffic?: boolean;
  /** Rules on the subnet's logical switch, for all of its ports. */
  readonly acls?: readonly SubnetAcl[];
  /**
   * Name of the Vlan object that connects the subnet to a physical network. Empty (the default): an overlay, that is,
   * in tunnels between the nodes.
   */
  readonly vlan?: string;
  /**
   * Addresses of the subnet that pods may take over from each other (keepalived): OVN gets a virtual port for each.
   * List them in `excludeIps` as well, so that no pod gets one as its own.
   */
  readonly vips?: readonly string[];
  /**
   * On a subnet with a `vlan`: whether the gateway is the logical router, as in an overlay, and not a machine on the
   * physical network. Default false.
   */
  readonly logicalGateway?: boolean;
  /** Whether a pod may start although its gateway does not answer. Default false. */
  readonly disableGatewayCheck?: boolean;
  /** Whether the subnet is left out of what OVN interconnection tells other clusters. Default false. */
  readonly disableInterConnection?: boolean;
  /** Whether OVN answers DHCP requests in the subnet (for virtual machines). Default false. */
  readonly enableDHCP?: boolean;
  /**
   * DHCPv4 options (ovn-nb(5), table DHCP_Options) as `name=value`, separated by commas; several addresses in braces:
   * `dns_server={8.8.8.8,1.1.1.1},domain_name="example.com"`. They come to the defaults
   * `lease_time=3600,router=<gateway>,server_id=169.254.0.254,server_mac=<generated>,mtu=<mtu>`. What OVN does not
   * know, or could not read, is left out, and the condition `Ready` says so.
   */
  readonly dhcpV4Options?: string;
  /**
   * DHCPv6 options, in the same way: `dns_server={fd00::a,fd00::b},domain_search="example.com"`. Default
   * `server_id=<generated>`.
   */
  readonly dhcpV6Options?: string;
  /** Whether the router sends IPv6 router advertisements into the subnet. Default false. */
  readonly enableIPv6RA?: boolean;
  /**
   * What router advertisements say (ovn-nb(5), table Logical_Router_Port, `ipv6_ra_configs`), in the same way. Default
   * `address_mode=dhcpv6_stateful,max_interval=30,min_interval=5,send_periodic=true`.
   */
  readonly ipv6RAConfigs?: string;
  /**
   * On a subnet with a `vlan`: whether pods of the VPC's overlay subnets and of this one reach each other through the
   * logical router instead of the physical network. Default false.
   */
  readonly u2oInterconnection?: boolean;
  /**
   * The logical router's address in the subnet for `u2oInterconnection`, one of each family separated by a comma.
   * Default: a free one.
   */
  readonly u2oInterconnectionIP?: string;
  /** Details of `u2oInterconnection`. */
  readonly u2oFeatures?: SubnetU2oFeatures;
  /** Whether OVN's load balancers serve the subnet's pods. Default: the controller's `--enable-lb`. */
  readonly enableLb?: boolean;
  /** Whether all nodes of a centralized gateway carry traffic at once, instead of one at a time. Default false. */
  readonly enableEcmp?: boolean;
  /** Whether multicast goes to the ports that joined the group only, and the router asks for members. Default false. */
  readonly enableMulticastSnoop?: boolean;
  /** Whether addresses of the subnet may be those of Services of type LoadBalancer (MetalLB). Default false. */
  readonly enableExternalLBAddress?: boolean;
  /** The VPC's routing table in which the subnet's traffic is looked up. Default is the main one. */
  readonly routeTable?: string;
  /**
   * Which of the nodes' networks (annotation `ovn.kubernetes.io/node_networks`) carries the subnet's tunnels. Default:
   * that of the node's own address.
   */
  readonly nodeNetwork?: string;
}

/** One exception from `natOutgoing`. */
export interface SubnetNatOutgoingPolicyRule {
  /** `nat`: the packet gets the node's address. `forward`: it keeps its own. */
  readonly action?: "" | "nat" | "forward";
  /** Which packets; where both are given, both must match. */
  readonly match?: SubnetNatOutgoingPolicyRuleMatch;
}

/** Which packets; where both are given, both must match. */
export interface SubnetNatOutgoingPolicyRuleMatch {
  /**
   * Source addresses and CIDRs of one family, separated by commas, for example `10.16.0.10,10.16.4.0/24`. Empty: any.
   */
  readonly srcIPs?: string;
  /** Destination addresses and CIDRs of one family, separated by commas. Empty: any. */
  readonly dstIPs?: string;
}

/** One rule (ovn-nb(5), table ACL). */
export interface SubnetAcl {
  /** `from-lport`: packets that pods send. `to-lport`: packets that pods get. */
  readonly direction: "from-lport" | "to-lport";
  /** Of the rules that match, the one with the highest priority decides. */
  readonly priority?: number;
  /** Which packets, in OVN's language: for example `ip4.dst == 10.10.0.2 && tcp`. */
  readonly match?: string;
  /** `allow-related` also lets the answers back; `reject` answers with an error. */
  readonly action: "allow" | "allow-related" | "allow-stateless" | "drop" | "reject" | "pass";
}

/** Details of `u2oInterconnection`. */
export interface SubnetU2oFeatures {
  /**
   * Whether only traffic to overlay subnets goes through the logical router, and all other to the physical gateway.
   * Default false.
   */
  readonly overlayOnlyRouting?: boolean;
}

/**
 * What the controller found. Counts of addresses are numbers up to 2^53 - 1 and decimal strings beyond, because the API
 * server rounds large numbers.
 */
export interface SubnetStatus {
  /** `Ready`: the subnet serves pods. `Validated`: its spec can be used. */
  readonly conditions?: readonly Condition[];
  /** How many IPv4 addresses are free. */
  readonly v4availableIPs?: Count;
  /** The free IPv4 addresses: `a-b,c`; of more than 48 ranges the first ones and `...`. */
  readonly v4availableIPrange?: string;
  /** How many IPv4 addresses are in use. */
  readonly v4usingIPs?: Count;
  /** The IPv4 addresses in use. */
  readonly v4usingIPrange?: string;
  /** How many IPv6 addresses are free. */
  readonly v6availableIPs?: Count;
  /** The free IPv6 addresses. */
  readonly v6availableIPrange?: string;
  /** How many IPv6 addresses are in use. */
  readonly v6usingIPs?: Count;
  /** The IPv6 addresses in use. */
  readonly v6usingIPrange?: string;
  /** The node that is the centralized gateway now, where only one at a time is. */
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
  /** The rules of `spec.natOutgoingPolicyRules`, as the nodes have them. */
  readonly natOutgoingPolicyRules?: readonly SubnetStatusNatOutgoingPolicyRule[];
  /** The address from which the router asks for multicast members. */
  readonly mcastQuerierIP?: string;
  /** The MAC address from which it asks. */
  readonly mcastQuerierMAC?: string;
}

/** One rule. */
export interface SubnetStatusNatOutgoingPolicyRule {
  /** Names the rule's ipsets on the nodes; derived from what the rule says. */
  readonly ruleID?: string;
  /** `nat` or `forward`. */
  readonly action?: string;
  /** Which packets. */
  readonly match?: SubnetStatusNatOutgoingPolicyRuleMatch;
}

/** Which packets. */
export interface SubnetStatusNatOutgoingPolicyRuleMatch {
  /** Source addresses and CIDRs. */
  readonly srcIPs?: string;
  /** Destination addresses and CIDRs. */
  readonly dstIPs?: string;
}
