// SPDX-License-Identifier: Apache-2.0

import { LABEL, OVN_PROVIDER } from "../api/annotations.ts";
import type { IPSpec } from "../api/generated/ip.ts";
import { isU2oIpName, multicastQuerierName, NODE_PREFIX, nodePortName, podPortName } from "../api/port-names.ts";
import { ipText } from "../net/address.ts";
import { parseMac } from "../net/mac.ts";
import type { IpFact } from "./ip.ts";
import type { ProjectedMeta } from "./meta.ts";

/**
 * The annotation on an IP object with the UID of its pod. It distinguishes a pod from its successor of the same name. Objects of Kube-OVN have none.
 */
export const POD_UID_ANNOTATION = "weft.kubeovn.io/pod-uid";

/**
 * The annotation on an IP object with the provider of its interface, if the name does not contain it (`podPortName`). It is used only if the name
 * matches this provider.
 */
export const PROVIDER_ANNOTATION = "weft.kubeovn.io/provider";

/**
 * The annotation on an IP object with the active QoS of the interface (`encodeQos` in `src/contract/qos-record.ts`), from the object's creation. It is here
 * and not only on the Pod because users can write the Pod.
 */
export const QOS_ANNOTATION = "weft.kubeovn.io/qos";

/** What {@link projectIp} reads of an IP. */
export interface IpObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: Partial<IPSpec>;
}

/** The fact of an IP object. */
export function projectIp(ip: IpObject): IpFact {
  const { name, uid, labels = {}, annotations = {}, deletionTimestamp, finalizers = [] } = ip.metadata;
  const spec = ip.spec ?? {};
  // Objects of old versions have only the deprecated combined field.
  const [first = "", second = ""] = (spec.ipAddress ?? "").split(",");
  const joined = [first, second];
  const qos = annotations[QOS_ANNOTATION];
  return {
    key: name,
    name,
    uid,
    holder: holderOf(name, spec),
    provider: providerOf(name, spec, annotations[PROVIDER_ANNOTATION]),
    subnet: spec.subnet ?? "",
    node: spec.nodeName ?? "",
    // An invalid address is ignored: its holder has no port until the record has a valid one.
    v4: ipText(spec.v4IpAddress || (joined.find((address) => address.includes(".")) ?? ""), 4),
    v6: ipText(spec.v6IpAddress || (joined.find((address) => address.includes(":")) ?? ""), 6),
    mac: parseMac(spec.macAddress ?? "") ?? "",
    version: ip.metadata.resourceVersion ?? "",
    podUid: annotations[POD_UID_ANNOTATION] ?? "",
    podType: spec.podType ?? "",
    ...(qos !== undefined && { qos }),
    created: ip.metadata.creationTimestamp ?? "",
    reserved: labels[LABEL.ipReserved] === "true",
    deleting: deletionTimestamp !== undefined,
    finalizers,
  };
}

/** An object has the name of the port: `<pod>.<namespace>`, for a secondary interface followed by `.<provider>`, or a digest of all. */
function providerOf(
  name: string,
  { podName, namespace }: NonNullable<IpObject["spec"]>,
  annotated: string | undefined,
): string {
  if (!podName || !namespace || name === podPortName(podName, namespace)) return OVN_PROVIDER;
  if (annotated !== undefined && name === podPortName(podName, namespace, annotated)) return annotated;
  const own = `${podName}.${namespace}.`;
  return name.startsWith(own) ? name.slice(own.length) : OVN_PROVIDER;
}

/**
 * A node's IP object has no namespace and the name of its port; those of a subnet's multicast querier and of its router have the names of their ports as
 * well; every other one belongs to a pod.
 */
function holderOf(name: string, spec: NonNullable<IpObject["spec"]>): string {
  if (!spec.namespace) {
    // One of them is enough: the object stays the node's if a user edits one of them. An earlier version always used the plain name.
    const isNamed = (node: string): boolean => name === nodePortName(node) || name === `${NODE_PREFIX}${node}`;
    const node = [spec.nodeName, spec.podName].find((candidate) => candidate && isNamed(candidate));
    return node === undefined ? "" : `node:${node}`;
  }
  // They have themselves as pod, as in Kube-OVN; no pod's port has such a name.
  if (spec.podName === name && spec.subnet && (name === multicastQuerierName(spec.subnet) || isU2oIpName(name)))
    return `subnet:${spec.subnet}`;
  return spec.podName ? `${spec.namespace}/${spec.podName}` : "";
}
