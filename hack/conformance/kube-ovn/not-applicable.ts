// SPDX-License-Identifier: Apache-2.0

import { goPattern } from "../not-applicable.ts";

const NO_SUCH_ADDRESS =
  "gives a node addresses that none of its interfaces has, which is refused (docs/node-networks.md)";

/** Specs that cannot pass on the lab for a reason that is not a fault of Weft, by suite: a part of their names, and the reason. */
export const NOT_APPLICABLE_IN_SUITE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "kube-ovn": {
    subinterface: "needs 802.1Q in the kernel",
    "detect conflict vlan subnet":
      "leaves its Vlans behind, and the deletion of a ProviderNetwork waits for them (docs/underlay.md#differences-from-kube-ovn)",
    "U2O overlay only routing":
      "looks for Kube-OVN's address sets in policies (docs/underlay.md#differences-from-kube-ovn)",
    "underlay to overlay subnet interconnection":
      "looks for Kube-OVN's address sets in policies (docs/underlay.md#differences-from-kube-ovn)",
    "drop ARP/ND request from localnet port to LRP":
      "needs a patch of OVN that Kube-OVN's image has (docs/underlay.md#differences-from-kube-ovn)",
    "subnet add gateway event and metrics": "looks for Kube-OVN's iptables rules; Weft's rules are nftables'",
    "subnet add nat outgoing policy rules":
      "looks for Kube-OVN's iptables rules and ipsets; Weft's rules are nftables'",
    "readiness probe in custom vpc pod":
      "changes flags of kube-ovn-cni and looks for iptables rules of its proxy; Weft's probes need neither",
    "distributed external egress gateway":
      "looks for a routing rule of each pod; Weft has one of the subnet, for what comes from ovn0 (docs/ways-out.md)",
    "centralized external egress gateway":
      "counts the routes of the subnet's table, in which Weft has one more, so that packets do not leave by another way while the router is unreachable (docs/ways-out.md)",
    "create subnet with enableLb option":
      "looks for load balancers in the switch's row; here they are in a group of load balancers",
    "sync node networks annotation to OVS": NO_SUCH_ADDRESS,
    "set encap-ip on pod interface when nodeNetwork is specified": NO_SUCH_ADDRESS,
    "dynamically update node networks annotation": NO_SUCH_ADDRESS,
    "support multiple network planes on a single node": NO_SUCH_ADDRESS,
    "use default encap IP when subnet nodeNetwork is empty": NO_SUCH_ADDRESS,
    "update pod encap-ip when subnet nodeNetwork is changed": NO_SUCH_ADDRESS,
    "support north gateway via pod annotation":
      "compares the match of a router policy, which here also holds the policy to a port that is bound (docs/design/node-traffic.md)",
    "handle pod creation during kube-ovn-controller is down":
      "wants another MAC for a pod that took the name of one that was deleted meanwhile; here it gets the addresses of the name's IP object",
    "SLR with default provider":
      "waits for the Endpoints of a rule with addresses; Weft writes an EndpointSlice only (docs/vpc-services.md)",
    "create Service and Endpoints for selector mode":
      "labels no node external-gw, so its VPC has no port in the external network, which a rule needs (docs/nat.md); with such nodes it goes on until it empties spec.ovnEip, which is refused",
    "propagate a runtime ServiceCIDR object into node ipsets": "looks for Kube-OVN's ipsets; Weft's sets are nftables'",
    "not delete VIPs in other VPCs when deleting SLR with same VIP IP":
      "gives a rule the address and the port of a Service of its VPC, which is refused (docs/vpc-services.md#if-a-rule-is-not-ready)",
    "[group:slr-ip-port-mapping]": "looks for the load balancer of all rules of a VPC; here each Service has its own",
    "manage address set when EnableAddressSet is true":
      "connects to the northbound database from the nodes' machine by the ClusterIP, and without TLS",
    "ovn nb change vip when dual-stack service":
      "looks for the load balancer of all Services; here each Service has its own",
    "kubectl ko dpctl <node> show": "ovs-dpctl needs Open vSwitch's kernel module, which the lab has not",
    "kubectl ko trace <pod> <args...>": "traces ARP, too, which has no counterpart (docs/look-inside.md)",
    "kubectl ko trace <node> <args...>": "traces ARP, too, which has no counterpart (docs/look-inside.md)",
    '"kubectl ko trace ..." should work with network policy':
      "looks for lines of ovn-trace; the trace of weftctl has its own (docs/look-inside.md)",
    "kubectl ko log kube-ovn all": "collects files; here logs are printed (docs/look-inside.md)",
    "kubectl ko diagnose subnet IPPorts": "diagnose IPPorts has no counterpart (docs/look-inside.md)",
    "detect duplicate address": "Weft does not probe for hosts outside that have a pod's address (docs/underlay.md)",
  },
  vip: {
    "Test vip [Conformance]":
      "looks for address sets of security groups that Weft does not create (docs/security-groups.md); with two families it fails before, because ovn-nbctl cannot parse its search for a port with two virtual addresses",
  },
  "ovn-vpc-nat-gw": {
    "ovn eip fip snat dnat":
      "is one spec with steps that differ on purpose (docs/nat.md#differences-from-kube-ovn): a second rule with one source, a port kept in the default external subnet, a port's OvnEip deleted",
  },
};

/** The specs of a suite that are not run without `--all`, as a regular expression of Go; "" for none. */
export function skippedInSuite(suite: string): string {
  return Object.keys(NOT_APPLICABLE_IN_SUITE[suite] ?? {})
    .map(goPattern)
    .join("|");
}
