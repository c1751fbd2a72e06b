// SPDX-License-Identifier: Apache-2.0

// Generated from crds/ovn-eips.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the address. The controller writes the addresses that it allocates into fields that are not set. */
export interface OvnEipSpec {
  /** Name of the Subnet that the address belongs to. Immutable. Default `external`. */
  readonly externalSubnet?: string;
  /**
   * What uses the address. `nat`: NAT rules. `lrp`: the port of a VPC's router, for which the controller creates the
   * object; NAT rules may use it too. `lsp`: the node with the OvnEip's name, as a next hop of VPCs. Default `nat`.
   */
  readonly type?: string;
  /** The IPv4 address, for example `172.18.200.10`. Default: an available one. */
  readonly v4Ip?: string;
  /** The IPv6 address, for example `fd00:172:18::200:a`. Default: an available one. */
  readonly v6Ip?: string;
  /** The MAC address, for example `00:00:00:8a:5e:02`. Default: a generated one. */
  readonly macAddress?: string;
}

/** Observed state. */
export interface OvnEipStatus {
  /** `spec.type`, as applied. */
  readonly type?: string;
  /** Kinds of NAT rules that use the address; empty if none does. */
  readonly nat?: string;
  /** Whether the address may be used. */
  readonly ready?: boolean;
  /** The IPv4 address. */
  readonly v4Ip?: string;
  /** The IPv6 address. */
  readonly v6Ip?: string;
  /** The MAC address; empty until the addresses are allocated. */
  readonly macAddress?: string;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
