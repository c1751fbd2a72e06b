// SPDX-License-Identifier: Apache-2.0

import { goPattern } from "../not-applicable.ts";

/**
 * Specs that cannot pass on the lab for a reason that is not a fault of Weft, by suite: a part of their names, and the reason. It was found by reading the specs; what else fails shows
 * a run.
 */
export const NOT_APPLICABLE_IN_SUITE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "kube-ovn": {
    subinterface: "needs 802.1Q in the kernel",
    "detect conflict vlan subnet":
      "leaves its Vlans behind, and the deletion of a ProviderNetwork waits for them (docs/underlay.md#differences-from-kube-ovn)",
    "U2O overlay only routing":
      "looks for Kube-OVN's address sets in policies (docs/underlay.md#differences-from-kube-ovn)",
    "underlay to overlay subnet interconnection":
      "looks for Kube-OVN's address sets in policies (docs/underlay.md#differences-from-kube-ovn)",
    "subnet add gateway event and metrics": "looks for Kube-OVN's iptables rules; Weft's rules are nftables'",
    "subnet add nat outgoing policy rules":
      "looks for Kube-OVN's iptables rules and ipsets; Weft's rules are nftables'",
    "readiness probe in custom vpc pod":
      "changes flags of kube-ovn-cni and looks for iptables rules of its proxy; Weft's probes need neither",
    "ovn nb change vip when dual-stack service":
      "looks for the load balancer of all Services; here each Service has its own",
    "kubectl ko dpctl <node> show": "ovs-dpctl needs Open vSwitch's kernel module, which the lab has not",
    "kubectl ko trace <pod> <args...>": "traces ARP, too, which has no counterpart (docs/look-inside.md)",
    "kubectl ko trace <node> <args...>": "traces ARP, too, which has no counterpart (docs/look-inside.md)",
    "kubectl ko log kube-ovn all": "collects files; here logs are printed (docs/look-inside.md)",
    "kubectl ko diagnose subnet IPPorts": "diagnose IPPorts has no counterpart (docs/look-inside.md)",
    "detect duplicate address": "Weft does not probe for hosts outside that have a pod's address (docs/underlay.md)",
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
