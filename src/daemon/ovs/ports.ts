// SPDX-License-Identifier: Apache-2.0

/** One of Weft's ports on the integration bridge, as stored in the local Open vSwitch database. */
export interface PodPort {
  readonly portUuid: string;
  readonly interfaceUuid: string;
  /** Name of the port and of its interface. */
  readonly name: string;
  readonly externalIds: Readonly<Record<string, string>>;
  /** The error that ovs-vswitchd reports, for example that the device does not exist; "" if none. */
  readonly error: string;
  /** ovn-controller has installed its flows. */
  readonly installed: boolean;
}

/**
 * A port to be created. Its uuids are chosen beforehand, so that it can be rolled back whatever the result of the
 * transaction.
 */
export interface PortSpec {
  readonly portUuid: string;
  readonly interfaceUuid: string;
  readonly name: string;
  /** `external_ids`; `iface-id` among them binds it to a logical switch port. */
  readonly externalIds: Readonly<Record<string, string>>;
}

/**
 * The ids that connect a port to its attachment. The keys are Kube-OVN's or ovn-controller's except the last five,
 * which are Weft's.
 */
export const EXTERNAL_ID = {
  ifaceId: "iface-id",
  /** The KubeVirt virtual machine that owns the port, if any: the port then has its name. */
  machine: "vm_name",
  vendor: "vendor",
  podName: "pod_name",
  podNamespace: "pod_namespace",
  podNetns: "pod_netns",
  ip: "ip",
  ovnInstalled: "ovn-installed",
  /**
   * The pod's tunnel address, if it is not the node's default address (ovn-controller(8)). It follows Subnet and
   * Node.
   */
  encapIp: "encap-ip",
  podUid: "pod_uid",
  containerId: "container_id",
  ifName: "if_name",
  /** The network's name in the CNI configuration. */
  network: "network_name",
  /** The id of the request that created the port, as in the log of the daemon and in `/debug/adds`. */
  request: "weft-request",
} as const;

/** The integration bridge's ports, as the verbs use them. Implemented over OVSDB. */
export interface Ports {
  /** The bridge's datapath is userspace (`datapath_type=netdev`). */
  readonly userspace: boolean;
  /** Resolves when Open vSwitch's database is connected to and known; the signal's reason when that fires. */
  whenConnected(signal: AbortSignal): Promise<void>;
  /**
   * Adds the port in one transaction that also removes every Weft port with the same `iface-id` or name.
   * @throws CniError 11 if Open vSwitch cannot be reached or has no integration bridge.
   */
  attach(spec: PortSpec, signal: AbortSignal): Promise<void>;
  /**
   * Resolves when ovn-controller has installed the interface's flows.
   * @throws CniError if ovs-vswitchd reports an error on it, or it is removed; the signal's reason when that fires.
   */
  whenInstalled(interfaceUuid: string, signal: AbortSignal): Promise<void>;
  /**
   * Removes the port of that name from the bridge and resolves when ovs-vswitchd has released its device; at once if
   * there is none. Otherwise ovs-vswitchd would not notice a new device of the same name and would keep reading the
   * old one.
   * @throws CniError 11 if Open vSwitch cannot be reached; the signal's reason when that fires.
   */
  vacate(name: string, signal: AbortSignal): Promise<void>;
  /** Removes ports from the bridge, and with that from the database, in one transaction; absent ones are ignored. */
  detach(portUuids: readonly string[]): Promise<void>;
  /** Ports of one container; only that of the interface `ifName` if given. */
  ofContainer(containerId: string, ifName?: string): readonly PodPort[];
  /** The port of that name, if it is Weft's. */
  byName(name: string): PodPort | undefined;
  /** Every port of a pod. */
  all(): readonly PodPort[];
}
