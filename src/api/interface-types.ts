// SPDX-License-Identifier: Apache-2.0

/** The supported type of interfaces on OVN, as the value of Kube-OVN's annotation `pod_nic_type`. */
export const VETH_PAIR = "veth-pair";

/** The annotation of a NetworkAttachmentDefinition that makes Multus request a device of a device plugin for each interface (NPWG). */
const RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName";

const SRIOV = "SR-IOV and hardware offload are";
const DPDK = "DPDK (vhost-user) is";
const INTERNAL = "internal ports of Open vSwitch are";

/** Kube-OVN's other types, including those of older versions. */
const TYPES: Readonly<Record<string, string>> = {
  "internal-port": INTERNAL,
  "offload-port": SRIOV,
  sriov: SRIOV,
  "dpdk-port": DPDK,
  dpdk: DPDK,
};

/** Keys of a network configuration, and of the message from the shim to the daemon, that select a type in Kube-OVN. */
const KEYS: Readonly<Record<string, string>> = {
  deviceID: SRIOV,
  vf_driver: SRIOV,
  vhost_user_socket_volume_name: DPDK,
  vhost_user_socket_name: DPDK,
  vhost_user_socket_consumption: DPDK,
};

/** Why an interface with that `pod_nic_type` is not supported, to be appended to the name of the object; `undefined` if it is supported. */
export function unsupportedType(type: string): string | undefined {
  if (type === "" || type === VETH_PAIR) return undefined;
  const what = TYPES[type];
  const why = what === undefined ? "" : ` (${what} not supported)`;
  return `asks for an interface of type ${JSON.stringify(type.slice(0, 100))}; it must be "${VETH_PAIR}"${why}`;
}

/** Why an interface on OVN with this configuration is not supported, in the same form; `undefined` if it is supported. */
export function unsupportedDevice(configuration: Readonly<Record<string, unknown>>): string | undefined {
  for (const [key, what] of Object.entries(KEYS)) {
    const value = configuration[key] ?? "";
    // A malformed value is a request for a device too.
    if (value !== "") return asksFor(what, key, typeof value === "string" ? value : JSON.stringify(value));
  }
  return undefined;
}

/** Why interfaces on OVN with a device of a device plugin are not supported, in the same form; `undefined` if no device is named. */
export function unsupportedResource(annotations: Readonly<Record<string, string>> = {}): string | undefined {
  const value = annotations[RESOURCE_NAME]?.trim() ?? "";
  return value === "" ? undefined : asksFor(SRIOV, `annotation ${RESOURCE_NAME}`, value);
}

function asksFor(what: string, key: string, value: string): string {
  return `has ${key} ${JSON.stringify(value.slice(0, 100))}, but ${what} not supported: interfaces on OVN are veth pairs; remove it`;
}
