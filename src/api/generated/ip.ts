// SPDX-License-Identifier: Apache-2.0

// Generated from crds/ips.yaml by `npm run generate -- crds`. Do not edit.

/** The addresses and their owner. Fields are immutable once set, except `nodeName` and `containerID`. */
export interface IPSpec {
  /** Name of the pod, of the virtual machine that the pod belongs to, or of the node. */
  readonly podName?: string;
  /** Namespace of the pod; empty for a node. */
  readonly namespace?: string;
  /**
   * Kind of the pod's owner if the addresses are kept when the pod is deleted. Empty if they are released with the pod.
   */
  readonly podType?: "" | "StatefulSet" | "VirtualMachine";
  /** Name of the Subnet that the addresses belong to. */
  readonly subnet?: string;
  /** The node on which the pod runs. */
  readonly nodeName?: string;
  /** ID of the pod's sandbox in the container runtime. */
  readonly containerID?: string;
  /** The IPv4 address, for example `10.16.0.7`. */
  readonly v4IpAddress?: string;
  /** The IPv6 address, for example `fd00:10:16::7`. */
  readonly v6IpAddress?: string;
  /** Both addresses, separated by a comma. For older tools; the same as the two fields above. */
  readonly ipAddress?: string;
  /** The MAC address, for example `00:00:00:8a:5e:01`. */
  readonly macAddress?: string;
  /** Names of additional subnets. Not used by the controller: each interface has its own IP object. */
  readonly attachSubnets?: readonly string[];
  /** Addresses in `attachSubnets`. */
  readonly attachIps?: readonly string[];
  /** MAC addresses in `attachSubnets`. */
  readonly attachMacs?: readonly string[];
}
