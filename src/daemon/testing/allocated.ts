// SPDX-License-Identifier: Apache-2.0

/** The controller's annotations on a pod with an address of the default subnet. */
export const ALLOCATED = {
  "ovn.kubernetes.io/allocated": "true",
  "ovn.kubernetes.io/routed": "true",
  "ovn.kubernetes.io/ip_address": "10.16.0.7",
  "ovn.kubernetes.io/mac_address": "02:00:00:00:00:07",
  "ovn.kubernetes.io/cidr": "10.16.0.0/16",
  "ovn.kubernetes.io/gateway": "10.16.0.1",
  "ovn.kubernetes.io/logical_switch": "ovn-default",
};
