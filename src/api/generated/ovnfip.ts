// SPDX-License-Identifier: Apache-2.0

// Generated from crds/ovn-fips.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the floating IP. */
export interface OvnFipSpec {
  /** Name of the OvnEip. An OvnEip can have one floating IP only. */
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
  /**
   * Where the address is translated. `distributed`: on the pod's node, which sends and receives packets of the external
   * address itself. `centralized`: on the gateway node of the VPC's router. Default `type` of ConfigMap
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
  /** The external IPv4 address. */
  readonly v4Eip?: string;
  /** The external IPv6 address. */
  readonly v6Eip?: string;
  /** The internal IPv4 address. */
  readonly v4Ip?: string;
  /** The internal IPv6 address. */
  readonly v6Ip?: string;
  /** The MAC address that the pod's node uses for the external address; only if `distributed`. */
  readonly macAddress?: string;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
