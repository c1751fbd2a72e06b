// SPDX-License-Identifier: Apache-2.0

// Generated from crds/ovn-snat-rules.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the rule. */
export interface OvnSnatRuleSpec {
  /** Name of the OvnEip. */
  readonly ovnEip?: string;
  /** Name of the Subnet whose pods' packets are translated. Used if `v4IpCidr` and `v6IpCidr` are empty. */
  readonly vpcSubnet?: string;
  /**
   * Name of the IP of a pod's interface, for example `web.default`. Used if `vpcSubnet`, `v4IpCidr` and `v6IpCidr` are
   * empty.
   */
  readonly ipName?: string;
  /** Name of the Vpc of `v4IpCidr` and `v6IpCidr`. */
  readonly vpc?: string;
  /** Internal IPv4 addresses: a CIDR or an address, for example `10.0.1.0/24`. */
  readonly v4IpCidr?: string;
  /** Internal IPv6 addresses: a CIDR or an address, for example `fd00:10:0:1::/64`. */
  readonly v6IpCidr?: string;
}

/** Observed state. */
export interface OvnSnatRuleStatus {
  /** Whether packets are translated. */
  readonly ready?: boolean;
  /** Name of the VPC. */
  readonly vpc?: string;
  /** The external IPv4 address. */
  readonly v4Eip?: string;
  /** The external IPv6 address. */
  readonly v6Eip?: string;
  /** The internal IPv4 addresses. */
  readonly v4IpCidr?: string;
  /** The internal IPv6 addresses. */
  readonly v6IpCidr?: string;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
