// SPDX-License-Identifier: Apache-2.0

import { NODE, OVN_PROVIDER } from "../../api/annotations.ts";
import type { WantedAnnotations } from "../../contract/annotations.ts";
import { readQosRequest } from "../../contract/bandwidth-annotations.ts";
import { decodePodQos, encodePodQos, type Qos } from "../../contract/qos-record.ts";
import type { NodeFact } from "../../facts/node.ts";
import { settleQos } from "../active-qos.ts";
import type { ReportEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { nodePortId } from "../owner-ids.ts";
import { addQos } from "../qos-rules.ts";

/** Adds the limits of a node's `ovn0`, from its annotations `ingress_rate` and so on; returns the active ones. */
export function addNodeQos(build: FragmentBuilder, node: NodeFact, port: string, join: string): Qos {
  const { ingress, egress } = readQosRequest(node.annotations, OVN_PROVIDER);
  const before = decodePodQos(node.annotations[NODE.qos])[OVN_PROVIDER] ?? {};
  // Emulation is for pods, as in Kube-OVN.
  const qos = settleQos({ ingress, egress, netem: { state: "absent" } }, before, false);
  addQos(build, { id: nodePortId(node.name), name: port, subnet: join }, qos);
  return qos;
}

/** The Node's record of the active limits. */
export function nodeQosRecord(qos: Qos): WantedAnnotations {
  return { [NODE.qos]: encodePodQos({ [OVN_PROVIDER]: qos }) };
}

/** The Event that names invalid annotations, and the value that is active instead. */
export function reportNodeQos({ name, uid }: NodeFact, { problem }: Qos): readonly ReportEffect[] {
  if (problem === undefined) return [];
  const about = { resource: "nodes", namespace: "", name, uid } as const;
  return [{ kind: "report", key: `report/nodes/${uid}/qos`, about, reason: "InvalidQoS", message: problem }];
}
