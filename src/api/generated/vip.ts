// SPDX-License-Identifier: Apache-2.0

// Made from crds/vips.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** What the address is to be. The controller writes the addresses that it chose into it. */
export interface VipSpec {
  /**
   * Namespace of the pods that `selector` looks for. Once set it cannot be changed. Without it, the address is only set
   * aside.
   */
  readonly namespace?: string;
  /** Name of the Subnet that the address is of. Cannot be changed later. */
  readonly subnet?: string;
  /**
   * What has the address. Empty: the pods of `selector`, or whoever names the Vip. `switch_lb_vip`: a load balancer of
   * a switch (the router's MAC address answers for it). `kube_host_vm_vip`: a virtual machine in a pod on the host's
   * network.
   */
  readonly type?: string;
  /** The IPv4 address, for example `10.16.0.121`. Default is a free one. */
  readonly v4ip?: string;
  /** The IPv6 address, for example `fd00:10:16::79`. Default is a free one. */
  readonly v6ip?: string;
  /** The MAC address, for example `00:00:00:8a:5e:02`. Default is a generated one. */
  readonly macAddress?: string;
  /**
   * Labels of the pods that may have the address, each as `name: value` in one string. May be changed later. Other pods
   * are let in by their annotation `ovn.kubernetes.io/aaps`.
   */
  readonly selector?: readonly string[];
  /** Names of further subnets. Not used by the controller. */
  readonly attachSubnets?: readonly string[];
}

/** What the controller gave. */
export interface VipStatus {
  /** `spec.type`, as it has been carried out. */
  readonly type?: string;
  /** The IPv4 address. */
  readonly v4ip?: string;
  /** The IPv6 address. */
  readonly v6ip?: string;
  /** The MAC address; empty until the addresses have been given. */
  readonly mac?: string;
  /** `spec.selector`, as it has been carried out. */
  readonly selector?: readonly string[];
  /** Statements about the object. */
  readonly conditions?: readonly Condition[];
}
