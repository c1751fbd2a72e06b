// SPDX-License-Identifier: Apache-2.0

/**
 * The messages between shim and daemon, and the parts of the CNI specification that both need.
 *
 * The shim is a process per pod verb and its imports are its latency: this is the only file of the project that it may
 * import, and this file imports nothing. Message keys are Kube-OVN's (`pkg/request`), so either side can be exchanged
 * for Kube-OVN's; `cni_version`, `network_name`, `valid_attachments`, `prev_result`, `request_id`, `timeout_ms`, `code`, `details` and `restarting` are ours. Both sides ignore
 * unknown keys.
 *
 * HTTP/1.1 over the unix socket, `POST` to {@link cniPath}. The answer to `add` is 200 with a {@link CniResponse};
 * `del`, `check`, `gc` and `status` answer 204. A refusal is a 4xx, a failure a 5xx, both with a {@link CniFailure}.
 */

/** The plugin's `type` in a network configuration, and the name of its executable in the CNI bin folder. */
export const CNI_TYPE = "kube-ovn";

/** The daemon's socket where a configuration names none (mode 0600, owned by root). */
export const DEFAULT_SERVER_SOCKET = "/run/openvswitch/kube-ovn-daemon.sock";

/** The verbs that reach the daemon. `VERSION` is answered by the shim alone. */
export type CniVerb = "add" | "del" | "check" | "status" | "gc";

/** The HTTP path of a verb, for example `/api/v1/add`. */
export function cniPath(verb: CniVerb): string {
  return `/api/v1/${verb}`;
}

/** Versions of the CNI specification whose results we can print, oldest first (CNI SPEC 1.1 VERSION). */
export const CNI_VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

/** A supported version of the CNI specification. */
export type CniVersion = (typeof CNI_VERSIONS)[number];

/**
 * Error codes (CNI SPEC 1.1 "Error", and `internal` as libcni has it). Codes from 100 are specific to a plugin; we use none. kubelet creates the
 * sandbox again after `tryAgainLater`, as after every other code.
 */
export const CNI_ERROR = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidConfig: 7,
  invalidNetns: 8,
  tryAgainLater: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  internal: 999,
} as const;

/** One of the numbers of {@link CNI_ERROR}. */
export type CniErrorCode = (typeof CNI_ERROR)[keyof typeof CNI_ERROR];

/** A route of a request or an answer. An absent `dst` means the default route of the gateway's family. */
export interface CniRoute {
  /** Destination as a CIDR, for example `10.0.0.0/8`. */
  readonly dst?: string;
  /** Next hop, an address without a mask. */
  readonly gw?: string;
}

/** Resolver settings (CNI SPEC 1.1 "DNS"); passed through unchanged. */
export interface CniDns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** One attachment that the runtime still holds (CNI SPEC 1.1 GC, `cni.dev/valid-attachments`). */
export interface CniAttachment {
  readonly containerID: string;
  readonly ifname: string;
}

/** Fields of every request. */
export interface CniRequestBase {
  /** `type` of the network configuration: {@link CNI_TYPE}, or another plugin's name when we are only its IPAM. */
  readonly cni_type: string;
  /** The provider: `ovn` for a pod's own interface, `<nad>.<ns>.ovn` or `<nad>.<ns>` for attachments. */
  readonly provider: string;
  /** `cniVersion` of the network configuration; absent in requests of Kube-OVN's shim. */
  readonly cni_version?: string;
  /** `name` of the network configuration; absent in requests of Kube-OVN's shim. Two networks may have one provider. */
  readonly network_name?: string;
  /** UID of the pod, if the runtime passes it (K8S_POD_UID): a stale request must not get the address of a newer pod of the same name. */
  readonly pod_uid?: string;
  /** The shim's id of this request: in its own errors, the daemon's log and the port's `external_ids`. Absent in requests of Kube-OVN's shim. */
  readonly request_id?: string;
  /** How long the shim waits for the answer, in ms. The daemon answers an `add` earlier, with the reason. Absent in requests of Kube-OVN's shim. */
  readonly timeout_ms?: number;
}

/** Body of `add`, `del` and `check`: one interface of one container. */
export interface CniRequest extends CniRequestBase {
  /** `K8S_POD_NAME`; "" for a DEL without `CNI_ARGS`. */
  readonly pod_name: string;
  /** `K8S_POD_NAMESPACE`; "" for a DEL without `CNI_ARGS`. */
  readonly pod_namespace: string;
  /** `CNI_CONTAINERID`, the sandbox. */
  readonly container_id: string;
  /** `CNI_NETNS`, a path; "" when the namespace is gone (DEL). */
  readonly net_ns: string;
  /** `CNI_IFNAME`, for example `eth0`. */
  readonly if_name: string;
  /** Routes of the configuration, added to the pod's. */
  readonly routes?: readonly CniRoute[] | null;
  readonly dns?: CniDns;
  /** SR-IOV: the driver of the virtual function, for example `vfio-pci`. */
  readonly vf_driver?: string;
  /** SR-IOV: PCI address of the virtual function. */
  readonly deviceID?: string;
  /** DPDK: the pod's volume that holds the vhost-user socket. */
  readonly vhost_user_socket_volume_name?: string;
  /** DPDK: the socket's name inside that volume. */
  readonly vhost_user_socket_name?: string;
  /** DPDK: the program that opens the socket; `kubevirt` has a folder layout of its own. */
  readonly vhost_user_socket_consumption?: string;
  /** `prevResult` of the configuration (required for CHECK, optional for DEL), unchanged. */
  readonly prev_result?: CniResult | null;
}

/** Body of `gc`: everything that is not listed must be removed. */
export interface CniGcRequest extends CniRequestBase {
  readonly valid_attachments: readonly CniAttachment[];
}

/** Body of `status`. */
export type CniStatusRequest = CniRequestBase;

/** One address of an answer. */
export interface CniAddress {
  readonly protocol: "IPv4" | "IPv6";
  /** The address without a mask. */
  readonly ip: string;
  /** The subnet, whose prefix length is the address's. */
  readonly cidr: string;
  /** Set only if the interface has the default route: without `routes` the shim derives the route from it. */
  readonly gateway?: string;
}

/** Body of the 200 that answers `add`. */
export interface CniResponse {
  /** IPv4 before IPv6; empty if the subnet has MAC addresses only. */
  readonly ips: readonly CniAddress[] | null;
  /** The interface's MAC inside the pod; "" if only an address was allocated. */
  readonly mac_address: string;
  /** Routes that were set in the pod; empty means one default route for each gateway of `ips`. */
  readonly routes: readonly CniRoute[] | null;
  /** MTU in bytes; 0 if only an address was allocated. */
  readonly mtu: number;
  /** The interface's name inside the pod. */
  readonly nicname: string;
  readonly dns?: CniDns;
  /** "" or absent: Kube-OVN's daemon puts its failures here. */
  readonly error?: string;
}

/** Body of every 4xx and 5xx. */
export interface CniFailure {
  /** A human-readable message; it becomes the CNI error's `msg`. */
  readonly error: string;
  /** The code that the shim prints; absent in answers of Kube-OVN's daemon, then `tryAgainLater`. */
  readonly code?: CniErrorCode;
  /** Optional details; they become the CNI error's `details`. */
  readonly details?: string;
  /** The daemon is shutting down: the next one may be asked the same. */
  readonly restarting?: true;
}

/**
 * The result of ADD on stdout, for every supported version (CNI SPEC 1.1 "ADD Success"). `ips[].version` exists before
 * 1.0.0 only; `interfaces[].mtu` from 1.1.0 on.
 */
export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces?: readonly CniResultInterface[];
  readonly ips?: readonly CniResultIp[];
  readonly routes?: readonly CniRoute[];
  readonly dns?: CniDns;
}

/** An interface of a result; without `sandbox` it is the host's. */
export interface CniResultInterface {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  /** Path of the network namespace. */
  readonly sandbox?: string;
}

/** An address of a result. */
export interface CniResultIp {
  readonly version?: "4" | "6";
  /** Address and prefix length, for example `10.16.0.7/16`. */
  readonly address: string;
  readonly gateway?: string;
  /** Index into `interfaces`. */
  readonly interface?: number;
}

/** An error on stdout, with exit code 1 (CNI SPEC 1.1 "Error"). */
export interface CniErrorResult {
  readonly cniVersion: string;
  readonly code: CniErrorCode;
  readonly msg: string;
  readonly details?: string;
}

/** The answer to VERSION (CNI SPEC 1.1 "VERSION"). */
export interface CniVersionResult {
  readonly cniVersion: string;
  readonly supportedVersions: readonly string[];
}
