// SPDX-License-Identifier: Apache-2.0

// Made from crds/security-groups.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** What the group allows. */
export interface SecurityGroupSpec {
  /**
   * What members may get, and from whom. What no rule decides is dropped, unless `allowSameGroupTraffic` lets it pass.
   */
  readonly ingressRules?: readonly SecurityGroupIngressRule[];
  /**
   * What members may send, and to whom. What no rule decides is dropped, unless `allowSameGroupTraffic` lets it pass.
   */
  readonly egressRules?: readonly SecurityGroupEgressRule[];
  /** Whether members may speak to each other where no rule decides. Default false. */
  readonly allowSameGroupTraffic?: boolean;
  /**
   * Tier 0 (the default) decides first. Groups of tier 1 decide what a rule of tier 0 passes to them, and nothing else.
   */
  readonly tier?: number;
}

/** One rule. It is for packets for which all of it holds: family, protocol, source and ports. */
export interface SecurityGroupIngressRule {
  /** The family. A rule for both is written twice. */
  readonly ipVersion: "ipv4" | "ipv6";
  /** The protocol. Default `all`; `icmp` is ICMPv6 where `ipVersion` is `ipv6`. */
  readonly protocol?: "" | "all" | "icmp" | "tcp" | "udp";
  /** Of the rules that hold for a packet the one with the lowest number decides, among all groups of a pod. */
  readonly priority: number;
  /** Who the other side is: `address` (`remoteAddress`) or `securityGroup` (`remoteSecurityGroup`). */
  readonly remoteType: "address" | "securityGroup";
  /** One address or one CIDR, for example `10.16.0.0/16`. `0.0.0.0/0` and `::/0` stand for all. */
  readonly remoteAddress?: string;
  /** Name of a SecurityGroup: all of its members. */
  readonly remoteSecurityGroup?: string;
  /** First of the destination's ports. Needed for `tcp` and `udp`. */
  readonly portRangeMin?: number;
  /** Last of the destination's ports. Needed for `tcp` and `udp`. */
  readonly portRangeMax?: number;
  /** The member's own side: one address or one CIDR. Empty: all of its addresses. */
  readonly localAddress?: string;
  /** First of the source's ports, for `tcp` and `udp`. Neither: all. */
  readonly sourcePortRangeMin?: number;
  /** Last of the source's ports, for `tcp` and `udp`. Neither: all. */
  readonly sourcePortRangeMax?: number;
  /**
   * `allow` lets the packets and their answers through, `drop` drops them, `pass` leaves the decision to the groups of
   * tier 1 (in a group of tier 0 only).
   */
  readonly policy: "allow" | "drop" | "pass";
}

/** One rule. It is for packets for which all of it holds: family, protocol, destination and ports. */
export interface SecurityGroupEgressRule {
  /** The family. A rule for both is written twice. */
  readonly ipVersion: "ipv4" | "ipv6";
  /** The protocol. Default `all`; `icmp` is ICMPv6 where `ipVersion` is `ipv6`. */
  readonly protocol?: "" | "all" | "icmp" | "tcp" | "udp";
  /** Of the rules that hold for a packet the one with the lowest number decides, among all groups of a pod. */
  readonly priority: number;
  /** Who the other side is: `address` (`remoteAddress`) or `securityGroup` (`remoteSecurityGroup`). */
  readonly remoteType: "address" | "securityGroup";
  /** One address or one CIDR, for example `10.16.0.0/16`. `0.0.0.0/0` and `::/0` stand for all. */
  readonly remoteAddress?: string;
  /** Name of a SecurityGroup: all of its members. */
  readonly remoteSecurityGroup?: string;
  /** First of the destination's ports. Needed for `tcp` and `udp`. */
  readonly portRangeMin?: number;
  /** Last of the destination's ports. Needed for `tcp` and `udp`. */
  readonly portRangeMax?: number;
  /** The member's own side: one address or one CIDR. Empty: all of its addresses. */
  readonly localAddress?: string;
  /** First of the source's ports, for `tcp` and `udp`. Neither: all. */
  readonly sourcePortRangeMin?: number;
  /** Last of the source's ports, for `tcp` and `udp`. Neither: all. */
  readonly sourcePortRangeMax?: number;
  /**
   * `allow` lets the packets and their answers through, `drop` drops them, `pass` leaves the decision to the groups of
   * tier 1 (in a group of tier 0 only).
   */
  readonly policy: "allow" | "drop" | "pass";
}

/** What the controller found. */
export interface SecurityGroupStatus {
  /** Name of its port group in OVN. */
  readonly portGroup?: string;
  /** The spec's value that is in force. */
  readonly allowSameGroupTraffic?: boolean;
  /** A digest of the ingress rules in force. */
  readonly ingressMd5?: string;
  /** A digest of the egress rules in force. */
  readonly egressMd5?: string;
  /** Whether all ingress rules are in force as they are written. */
  readonly ingressLastSyncSuccess?: boolean;
  /** Whether all egress rules are in force as they are written. */
  readonly egressLastSyncSuccess?: boolean;
  /** `Ready`: all of it is in force as it is written. */
  readonly conditions?: readonly Condition[];
}
