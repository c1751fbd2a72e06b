// SPDX-License-Identifier: Apache-2.0

import { ipLabels, OVN_PROVIDER } from "../api/annotations.ts";
import { FINALIZER } from "../api/names.ts";
import { readQosRequest } from "../contract/bandwidth-annotations.ts";
import { encodeQos, NO_QOS } from "../contract/qos-record.ts";
import type { IpFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import { POD_UID_ANNOTATION, PROVIDER_ANNOTATION, QOS_ANNOTATION } from "../facts/project-ip.ts";
import type { AddressLease } from "../ipam/types.ts";
import type { RecordWrite } from "./claim.ts";
import { holderName } from "./pod-interfaces.ts";
import { podTypeOf } from "./retention.ts";

/** The owner of an IP object. */
export interface IpHolder {
  readonly node: string;
  /** The pod and the provider of its interface; absent for a node. */
  readonly pod?: PodFact;
  readonly provider?: string;
}

/** The IP object of a lease, complete: with its labels and finalizer. */
export function newIpRecord(lease: AddressLease, holder: IpHolder): RecordWrite {
  const { node, pod } = holder;
  const metadata = {
    name: lease.owner,
    labels: ipLabels({ subnet: lease.subnet, node, reserved: false }),
    annotations: annotationsOf(lease.owner, holder),
    finalizers: [FINALIZER],
  };
  const spec = {
    podName: pod === undefined ? node : holderName(pod),
    namespace: pod?.namespace ?? "",
    subnet: lease.subnet,
    nodeName: node,
    ...addressFields(lease),
    attachIps: [],
    attachMacs: [],
    attachSubnets: [],
    containerID: "",
    podType: pod === undefined ? "" : podTypeOf(pod),
  };
  return { verb: "create", kind: "ips", body: { metadata, spec } };
}

/** The IP object of an earlier pod with the same name, taken over and completed for its successor. */
export function takenOverIpRecord(lease: AddressLease, old: IpFact, holder: IpHolder): RecordWrite {
  const { node, pod } = holder;
  const labels = ipLabels({ subnet: lease.subnet, node, reserved: old.reserved });
  const podType = pod === undefined ? "" : podTypeOf(pod);
  const { v4 = "", v6 = "", mac = "" } = lease;
  const grown = v4 !== old.v4 || v6 !== old.v6 || mac !== old.mac;
  // The mark stays: the successor of an orphaned pod has the address by it.
  const marked = podType !== "" && podType !== old.podType;
  const spec = { nodeName: node, ...(marked && { podType }), ...(grown && addressFields(lease)) };
  const metadata = { uid: old.uid, resourceVersion: old.version, labels, annotations: annotationsOf(old.name, holder) };
  return { verb: "patch", kind: "ips", name: old.name, body: { metadata, spec } };
}

/** A user's reservation, completed with address and MAC. */
export function reservationRecord(lease: AddressLease, { name, uid, version, node }: IpFact): RecordWrite {
  const labels = ipLabels({ subnet: lease.subnet, node, reserved: true });
  const body = { metadata: { uid, resourceVersion: version, labels }, spec: addressFields(lease) };
  return { verb: "patch", kind: "ips", name, body };
}

function annotationsOf(name: string, { pod, provider }: IpHolder): Readonly<Record<string, string>> {
  if (pod === undefined || provider === undefined) return {};
  return {
    [POD_UID_ANNOTATION]: pod.uid,
    [QOS_ANNOTATION]: newQosRecord(pod, provider),
    ...(provider !== OVN_PROVIDER && !name.endsWith(`.${provider}`) && { [PROVIDER_ANNOTATION]: provider }),
  };
}

/**
 * The QoS record of a new pod; from then on the controller owns the record, see `podQos`. An interface with an invalid setting is refused from the
 * beginning, whatever state the pod's annotations claim.
 */
function newQosRecord({ annotations }: PodFact, provider: string): string {
  const isInvalid = Object.values(readQosRequest(annotations, provider)).some(({ state }) => state === "invalid");
  return isInvalid ? encodeQos({ refused: true }) : NO_QOS;
}

/** The address fields of a record. */
export function addressFields(lease: AddressLease): Readonly<Record<string, string>> {
  return {
    ipAddress: [lease.v4, lease.v6].filter((address) => address !== undefined).join(","),
    v4IpAddress: lease.v4 ?? "",
    v6IpAddress: lease.v6 ?? "",
    macAddress: lease.mac ?? "",
  };
}
