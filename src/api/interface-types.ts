// SPDX-License-Identifier: Apache-2.0

/** The type of the interfaces on OVN that are made here, as Kube-OVN's annotation `pod_nic_type` has it. */
export const VETH_PAIR = "veth-pair";

/** The annotation of a NetworkAttachmentDefinition by which Multus has a device plugin's device for each interface (NPWG). */
const RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName";

const SRIOV = "SR-IOV and hardware offload are";
const DPDK = "DPDK (vhost-user) is";
const INTERNAL = "internal ports of Open vSwitch are";

/** Kube-OVN's other types, of its older versions too. */
const TYPES: Readonly<Record<string, string>> = {
  "internal-port": INTERNAL,
  "offload-port": SRIOV,
  sriov: SRIOV,
  "dpdk-port": DPDK,
  dpdk: DPDK,
};

/** Keys of a network configuration, and of the message from the shim to the daemon, by which Kube-OVN chooses a type. */
const KEYS: Readonly<Record<string, string>> = {
  deviceID: SRIOV,
  vf_driver: SRIOV,
  vhost_user_socket_volume_name: DPDK,
  vhost_user_socket_name: DPDK,
  vhost_user_socket_consumption: DPDK,
};

/** Why an interface with that `pod_nic_type` is not made, to follow the name of whatever asks for it; undefined where it is. */
export function unsupportedType(type: string): string | undefined {
  if (type === "" || type === VETH_PAIR) return undefined;
  const what = TYPES[type];
  const why = what === undefined ? "" : ` (${what} not supported)`;
  return `asks for an interface of type ${JSON.stringify(type.slice(0, 100))}; it must be "${VETH_PAIR}"${why}`;
}

/** Why an interface on OVN with such a configuration is not made, in the same form; undefined where it is. */
export function unsupportedDevice(configuration: Readonly<Record<string, unknown>>): string | undefined {
  for (const [key, what] of Object.entries(KEYS)) {
    const value = configuration[key] ?? "";
    // One that is malformed asks for a device too.
    if (value !== "") return asksFor(what, key, typeof value === "string" ? value : JSON.stringify(value));
  }
  return undefined;
}

/** Why interfaces on OVN with a device of a device plugin's are not made, in the same form; undefined where none is named. */
export function unsupportedResource(annotations: Readonly<Record<string, string>> = {}): string | undefined {
  const value = annotations[RESOURCE_NAME]?.trim() ?? "";
  return value === "" ? undefined : asksFor(SRIOV, `annotation ${RESOURCE_NAME}`, value);
}

function asksFor(what: string, key: string, value: string): string {
  return `has ${key} ${JSON.stringify(value.slice(0, 100))}, but ${what} not supported: interfaces on OVN are veth pairs; remove it`;
}
