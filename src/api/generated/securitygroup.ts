// SPDX-License-Identifier: Apache-2.0

// Generated from crds/security-groups.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the group. */
export interface SecurityGroupSpec {
  /**
   * Rules for traffic to members. Traffic that no rule matches is dropped, unless `allowSameGroupTraffic` allows it.
   */
  readonly ingressRules?: readonly SecurityGroupIngressRule[];
  /**
   * Rules for traffic from members. Traffic that no rule matches is dropped, unless `allowSameGroupTraffic` allows it.
   */
  readonly egressRules?: readonly SecurityGroupEgressRule[];
  /** Whether traffic between members is allowed if no rule matches it. Default false. */
  readonly allowSameGroupTraffic?: boolean;
  /**
   * Groups of tier 0 (the default) decide first. Groups of tier 1 decide only about traffic that a rule of tier 0
   * passes to them.
   */
  readonly tier?: number;
}

/** One rule. A packet must match all of it: family, protocol, source and ports. */
export interface SecurityGroupIngressRule {
  /** Address family. Both families need one rule each. */
  readonly ipVersion: "ipv4" | "ipv6";
  /** Protocol. Default `all`; `icmp` is ICMPv6 if `ipVersion` is `ipv6`. */
  readonly protocol?: "" | "all" | "icmp" | "tcp" | "udp";
  /** Of the matching rules of all groups of a pod, the one with the lowest number decides. */
  readonly priority: number;
  /** Type of the remote side: `address` (`remoteAddress`) or `securityGroup` (`remoteSecurityGroup`). */
  readonly remoteType: "address" | "securityGroup";
  /** One address or one CIDR, for example `10.16.0.0/16`. `0.0.0.0/0` and `::/0` match all addresses. */
  readonly remoteAddress?: string;
  /** Name of a SecurityGroup: all of its members. */
  readonly remoteSecurityGroup?: string;
  /** First destination port. Required for `tcp` and `udp`. */
  readonly portRangeMin?: number;
  /** Last destination port. Required for `tcp` and `udp`. */
  readonly portRangeMax?: number;
  /** Address of the member: one address or one CIDR. If empty, all addresses of the member. */
  readonly localAddress?: string;
  /** First source port, for `tcp` and `udp`. If neither is set, all ports. */
  readonly sourcePortRangeMin?: number;
  /** Last source port, for `tcp` and `udp`. If neither is set, all ports. */
  readonly sourcePortRangeMax?: number;
  /**
   * `allow` allows the packets and the replies to them, `drop` drops them, `pass` leaves the decision to the groups of
   * tier 1 (only in a group of tier 0).
   */
  readonly policy: "allow" | "drop" | "pass";
}

/** One rule. A packet must match all of it: family, protocol, destination and ports. */
export interface SecurityGroupEgressRule {
  /** Address family. Both families need one rule each. */
  readonly ipVersion: "ipv4" | "ipv6";
  /** Protocol. Default `all`; `icmp` is ICMPv6 if `ipVersion` is `ipv6`. */
  readonly protocol?: "" | "all" | "icmp" | "tcp" | "udp";
  /** Of the matching rules of all groups of a pod, the one with the lowest number decides. */
  readonly priority: number;
  /** Type of the remote side: `address` (`remoteAddress`) or `securityGroup` (`remoteSecurityGroup`). */
  readonly remoteType: "address" | "securityGroup";
  /** One address or one CIDR, for example `10.16.0.0/16`. `0.0.0.0/0` and `::/0` match all addresses. */
  readonly remoteAddress?: string;
  /** Name of a SecurityGroup: all of its members. */
  readonly remoteSecurityGroup?: string;
  /** First destination port. Required for `tcp` and `udp`. */
  readonly portRangeMin?: number;
  /** Last destination port. Required for `tcp` and `udp`. */
  readonly portRangeMax?: number;
  /** Address of the member: one address or one CIDR. If empty, all addresses of the member. */
  readonly localAddress?: string;
  /** First source port, for `tcp` and `udp`. If neither is set, all ports. */
  readonly sourcePortRangeMin?: number;
  /** Last source port, for `tcp` and `udp`. If neither is set, all ports. */
  readonly sourcePortRangeMax?: number;
  /**
   * `allow` allows the packets and the replies to them, `drop` drops them, `pass` leaves the decision to the groups of
   * tier 1 (only in a group of tier 0).
   */
  readonly policy: "allow" | "drop" | "pass";
}

/** Observed state. */
export interface SecurityGroupStatus {
  /** Name of the group's port group in OVN. */
  readonly portGroup?: string;
  /** Active value of `spec.allowSameGroupTraffic`. */
  readonly allowSameGroupTraffic?: boolean;
  /** Digest of the active ingress rules. */
  readonly ingressMd5?: string;
  /** Digest of the active egress rules. */
  readonly egressMd5?: string;
  /** Whether all ingress rules are active as written in the spec. */
  readonly ingressLastSyncSuccess?: boolean;
  /** Whether all egress rules are active as written in the spec. */
  readonly egressLastSyncSuccess?: boolean;
  /** `Ready`: the group is active as written in the spec. */
  readonly conditions?: readonly Condition[];
}
