// SPDX-License-Identifier: Apache-2.0

// Made from crds/ovn-eips.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** What the address is to be. The controller writes the addresses that it chose into it. */
export interface OvnEipSpec {
  /** Name of the Subnet that the address is of. Cannot be changed later. Default is `external`. */
  readonly externalSubnet?: string;
  /**
   * What has the address. `nat`: NAT rules. `lrp`: a port of a VPC's router. `lsp`: a port of a node on the external
   * subnet. Default is `nat`.
   */
  readonly type?: string;
  /** The IPv4 address, for example `172.18.200.10`. Default is a free one. */
  readonly v4Ip?: string;
  /** The IPv6 address, for example `fd00:172:18::200:a`. Default is a free one. */
  readonly v6Ip?: string;
  /** The MAC address, for example `00:00:00:8a:5e:02`. Default is a generated one. */
  readonly macAddress?: string;
}

/** What the controller gave. */
export interface OvnEipStatus {
  /** `spec.type`, as it has been carried out. */
  readonly type?: string;
  /** Which kinds of NAT rules use the address; empty for none. */
  readonly nat?: string;
  /** Whether the address may be used. */
  readonly ready?: boolean;
  /** The IPv4 address. */
  readonly v4Ip?: string;
  /** The IPv6 address. */
  readonly v6Ip?: string;
  /** The MAC address; empty until the addresses have been given. */
  readonly macAddress?: string;
  /** Statements about the object. */
  readonly conditions?: readonly Condition[];
}
