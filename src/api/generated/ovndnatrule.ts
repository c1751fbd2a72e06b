// SPDX-License-Identifier: Apache-2.0

// Generated from crds/ovn-dnat-rules.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the rule. */
export interface OvnDnatRuleSpec {
  /** Name of the OvnEip. Several rules may use one, for different ports. */
  readonly ovnEip?: string;
  /** What `ipName` is the name of: `ip` (of an IP) or `vip` (of a Vip). Default `ip`. */
  readonly ipType?: string;
  /**
   * Name of the IP of a pod's interface, for example `web.default`, or of the Vip. Its addresses and its VPC take
   * precedence over the fields `vpc`, `v4Ip` and `v6Ip`.
   */
  readonly ipName?: string;
  /** Name of the Vpc of `v4Ip` and `v6Ip`. */
  readonly vpc?: string;
  /** The internal IPv4 address, for example `10.0.1.5`. */
  readonly v4Ip?: string;
  /** The internal IPv6 address, for example `fd00:10:0:1::5`. */
  readonly v6Ip?: string;
  /** The external port, for example `80`. */
  readonly externalPort?: string;
  /** The internal port, for example `8080`. */
  readonly internalPort?: string;
  /** `tcp`, `udp` or `sctp`. */
  readonly protocol?: string;
}

/** Observed state. */
export interface OvnDnatRuleStatus {
  /** Whether the port is translated. */
  readonly ready?: boolean;
  /** Name of the VPC. */
  readonly vpc?: string;
  /** The external IPv4 address. */
  readonly v4Eip?: string;
  /** The external IPv6 address. */
  readonly v6Eip?: string;
  /** The external port. */
  readonly externalPort?: string;
  /** The internal IPv4 address. */
  readonly v4Ip?: string;
  /** The internal IPv6 address. */
  readonly v6Ip?: string;
  /** The internal port. */
  readonly internalPort?: string;
  /** `tcp`, `udp` or `sctp`. */
  readonly protocol?: string;
  /** `spec.ipName`, as applied. */
  readonly ipName?: string;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
