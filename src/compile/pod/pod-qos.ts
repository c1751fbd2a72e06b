// SPDX-License-Identifier: Apache-2.0

import { POD, podAnnotation } from "../../api/annotations.ts";
import { readQosRequest } from "../../contract/bandwidth-annotations.ts";
import { decodePodQos, decodeQos, encodeQos, NO_QOS, type Qos } from "../../contract/qos-record.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { PodFact } from "../../facts/pod.ts";
import { QOS_ANNOTATION } from "../../facts/project-ip.ts";
import { settleQos } from "../active-qos.ts";
import { type AnnotateEffect, annotate, type ReportEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { podPortId } from "../owner-ids.ts";
import { addQos } from "../qos-row.ts";
import { reportPod } from "../reports.ts";
import type { PortInput } from "./port-input.ts";

/**
 * The QoS that is active on an interface: an invalid annotation leaves the last valid value active, which is recorded
 * in the interface's IP object. The pod's own record, which users can write, is used only if an older version has
 * left none in the IP object. If the controller did not create the IP object for the pod (a reservation, for
 * example), the pod's claim that the interface is in use is ignored: then an invalid value refuses the interface,
 * unless the object records a limit that stays active.
 */
export function podQos(
  { annotations }: PodFact,
  { provider, qos, podUid }: Pick<IpFact, "provider" | "qos" | "podUid">,
): Qos {
  const allocated = annotations[podAnnotation(provider, "allocated")] === "true";
  const annotated = podUid === "" ? {} : (decodePodQos(annotations[POD.qos])[provider] ?? {});
  const recorded = qos === undefined ? annotated : decodeQos(qos);
  // A record without an allocation belongs to another pod.
  const before = allocated ? recorded : {};
  const isNew = !allocated || before.refused === true || podUid === "";
  return settleQos(readQosRequest(annotations, provider), before, isNew);
}

/** The effect that records an interface's active QoS in its IP object; none if there is nothing to record. */
export function recordQos({ name, uid, qos: recorded }: IpFact, qos: Qos): readonly AnnotateEffect[] {
  const text = encodeQos(qos);
  if (recorded === undefined && text === NO_QOS) return [];
  const annotations = recorded === undefined ? {} : { [QOS_ANNOTATION]: recorded };
  return annotate("ips", { name, uid, annotations }, { [QOS_ANNOTATION]: text });
}

/** Adds the rows of an interface's bandwidth limits: of its own port only. */
export function addPortQos(build: FragmentBuilder, { pod, ip, subnet }: PortInput): void {
  const port = { id: podPortId(ip.name, pod), name: ip.name, subnet: subnet.name, pod: pod.key };
  addQos(build, port, podQos(pod, ip));
}

/** The Event that names invalid annotations of an interface's QoS, and the values that are active instead. */
export function reportQos(pod: PodFact, provider: string, { problem }: Qos): readonly ReportEffect[] {
  return problem === undefined ? [] : [reportPod(pod, `qos/${provider}`, "InvalidQoS", problem)];
}

/** The Event that reports that limits of an interface which another plugin creates are not enforced. */
export function reportForeignQos(pod: PodFact, provider: string): readonly ReportEffect[] {
  const { ingress, egress, netem } = readQosRequest(pod.annotations, provider);
  if ([ingress, egress, netem].every(({ state }) => state === "absent")) return [];
  const message = `interface of ${provider}: another plugin creates it, so its limits (ingress_rate and so on) are not enforced; only interfaces on OVN are limited`;
  return [reportPod(pod, `qos/${provider}`, "QoSNotApplied", message)];
}
