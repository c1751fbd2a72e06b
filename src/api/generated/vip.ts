// SPDX-License-Identifier: Apache-2.0

// Generated from crds/vips.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the address. The controller writes the addresses that it allocates into fields that are not set. */
export interface VipSpec {
  /** Namespace of the pods that `selector` selects. Immutable once set. Without it, the address is only reserved. */
  readonly namespace?: string;
  /** Name of the Subnet that the address belongs to. Immutable. */
  readonly subnet?: string;
  /**
   * What uses the address. Empty: the pods of `selector`, or pods that name the Vip. `switch_lb_vip`: a load balancer
   * of a switch (ARP replies have the router's MAC address). `kube_host_vm_vip`: a virtual machine in a pod with the
   * host's network.
   */
  readonly type?: string;
  /** The IPv4 address, for example `10.16.0.121`. Default: an available one. */
  readonly v4ip?: string;
  /** The IPv6 address, for example `fd00:10:16::79`. Default: an available one. */
  readonly v6ip?: string;
  /** The MAC address, for example `00:00:00:8a:5e:02`. Default: a generated one. */
  readonly macAddress?: string;
  /**
   * Labels of the pods that may use the address, each as `name: value` in one string. Mutable. Other pods may use it if
   * they name the Vip in their annotation `ovn.kubernetes.io/aaps`.
   */
  readonly selector?: readonly string[];
  /** Names of additional subnets. Not used by the controller. */
  readonly attachSubnets?: readonly string[];
}

/** Observed state. */
export interface VipStatus {
  /** `spec.type`, as applied. */
  readonly type?: string;
  /** The IPv4 address. */
  readonly v4ip?: string;
  /** The IPv6 address. */
  readonly v6ip?: string;
  /** The MAC address; empty until the addresses are allocated. */
  readonly mac?: string;
  /** `spec.selector`, as applied. */
  readonly selector?: readonly string[];
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
