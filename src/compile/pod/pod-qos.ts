// SPDX-License-Identifier: Apache-2.0

import { POD, podAnnotation } from "../../api/annotations.ts";
import { decodePodQos, type Qos } from "../../contract/qos.ts";
import { readQosRequest } from "../../contract/qos-request.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { ReportEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { podPortId } from "../owner-ids.ts";
import { addQos, settleQos } from "../qos.ts";
import type { PortInput } from "./port-input.ts";

/** The QoS that is active on an interface: an invalid annotation leaves the last valid value active, which the pod's record says. */
export function podQos({ annotations }: PodFact, provider: string): Qos {
  const allocated = annotations[podAnnotation(provider, "allocated")] === "true";
  // Both are written at once: a record without an allocation is not the controller's.
  const before = allocated ? (decodePodQos(annotations[POD.qos])[provider] ?? {}) : {};
  const isNew = !allocated || before.refused === true;
  return settleQos(readQosRequest(annotations, provider), before, isNew);
}

/** Adds the rows of an interface's bandwidth limits: of its own port only. */
export function addPortQos(build: FragmentBuilder, { pod, ip, subnet }: PortInput): void {
  const port = { id: podPortId(ip.name, pod), name: ip.name, subnet: subnet.name, pod: pod.key };
  addQos(build, port, podQos(pod, ip.provider));
}

/** The Event that names invalid annotations of an interface's QoS, and what is active instead. */
export function reportQos(
  { namespace, name, uid }: PodFact,
  provider: string,
  { problem }: Qos,
): readonly ReportEffect[] {
  if (problem === undefined) return [];
  const about = { resource: "pods", namespace, name, uid } as const;
  return [{ kind: "report", key: `report/pods/${uid}/qos/${provider}`, about, reason: "InvalidQoS", message: problem }];
}

/** The Event that says that the limits of an interface which another plugin creates are not enforced. */
export function reportForeignQos(
  { namespace, name, uid, annotations }: PodFact,
  provider: string,
): readonly ReportEffect[] {
  const { ingress, egress, netem } = readQosRequest(annotations, provider);
  if ([ingress, egress, netem].every(({ state }) => state === "absent")) return [];
  const about = { resource: "pods", namespace, name, uid } as const;
  const message = `interface of ${provider}: another plugin creates it, so its limits (ingress_rate and so on) are not enforced; only interfaces on OVN are limited`;
  return [{ kind: "report", key: `report/pods/${uid}/qos/${provider}`, about, reason: "QoSNotApplied", message }];
}
