// SPDX-License-Identifier: Apache-2.0

// Generated from crds/ovn-fips.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the floating IP. */
export interface OvnFipSpec {
  /** Name of the OvnEip. An OvnEip has one floating IP at most. */
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
  /** The IPv4 address inside, for example `10.0.1.5`. */
  readonly v4Ip?: string;
  /** The IPv6 address inside, for example `fd00:10:0:1::5`. */
  readonly v6Ip?: string;
  /**
   * Where the address is translated. `distributed`: on the pod's node, which sends packets of the address outside
   * itself. `centralized`: on the gateway node of the VPC's router. Default `type` of ConfigMap
   * `ovn-external-gw-config`, or else `centralized`.
   */
  readonly type?: string;
}

/** Observed state. */
export interface OvnFipStatus {
  /** Whether the addresses are translated. */
  readonly ready?: boolean;
  /** Name of the VPC. */
  readonly vpc?: string;
  /** The IPv4 address outside. */
  readonly v4Eip?: string;
  /** The IPv6 address outside. */
  readonly v6Eip?: string;
  /** The IPv4 address inside. */
  readonly v4Ip?: string;
  /** The IPv6 address inside. */
  readonly v6Ip?: string;
  /** With `distributed` the MAC address with which the pod's node answers for the address outside. */
  readonly macAddress?: string;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
