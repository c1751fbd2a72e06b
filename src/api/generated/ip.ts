// SPDX-License-Identifier: Apache-2.0

// Made from crds/ips.yaml by `npm run generate -- crds`. Do not edit.

/** Whose addresses these are. What has once been set stays; only node and container may change. */
export interface IPSpec {
  /** Name of the pod, of the virtual machine that it belongs to, or of the node. */
  readonly podName?: string;
  /** Namespace of the pod; empty for a node. */
  readonly namespace?: string;
  /** What the pod belongs to, where its addresses outlive it. Empty for all others: their addresses go with them. */
  readonly podType?: "" | "StatefulSet" | "VirtualMachine";
  /** Name of the Subnet that the addresses are of. */
  readonly subnet?: string;
  /** The node on which the pod runs. */
  readonly nodeName?: string;
  /** The pod's sandbox, as the container runtime calls it. */
  readonly containerID?: string;
  /** The IPv4 address, for example `10.16.0.7`. */
  readonly v4IpAddress?: string;
  /** The IPv6 address, for example `fd00:10:16::7`. */
  readonly v6IpAddress?: string;
  /** Both addresses, separated by a comma. Kept for old tools; it says no more than the two fields above. */
  readonly ipAddress?: string;
  /** The MAC address, for example `00:00:00:8a:5e:01`. */
  readonly macAddress?: string;
  /** Names of further subnets. Not used by the controller; Kube-OVN has an IP object for each interface. */
  readonly attachSubnets?: readonly string[];
  /** Addresses in `attachSubnets`. */
  readonly attachIps?: readonly string[];
  /** MAC addresses in `attachSubnets`. */
  readonly attachMacs?: readonly string[];
}
