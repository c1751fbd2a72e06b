// SPDX-License-Identifier: Apache-2.0

import { NODE, OVN_PROVIDER } from "../../api/annotations.ts";
import type { WantedAnnotations } from "../../contract/annotations.ts";
import { readQosRequest } from "../../contract/bandwidth-annotations.ts";
import { decodePodQos, encodePodQos, type Qos } from "../../contract/qos-record.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { NodeFact } from "../../facts/node.ts";
import { settleQos } from "../active-qos.ts";
import type { ReportEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { nodePortId } from "../owner-ids.ts";
import { addQos } from "../qos-row.ts";

/** Adds the limits of a node's `ovn0`, from its annotations `ingress_rate` and so on; returns the active ones. Beside another network plugin there is no `ovn0`. */
export function addNodeQos(
  build: FragmentBuilder,
  node: NodeFact,
  port: string,
  join: string,
  { nonPrimary }: Pick<ClusterFact, "nonPrimary">,
): Qos {
  if (nonPrimary) return {};
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

/** The Events about a node's limits: which annotations are invalid, with the value that is active instead, and which have no effect. */
export function reportNodeQos(
  { name, uid, annotations }: NodeFact,
  { problem }: Qos,
  { nonPrimary }: Pick<ClusterFact, "nonPrimary">,
): readonly ReportEffect[] {
  const about = { resource: "nodes", namespace: "", name, uid } as const;
  const reports: ReportEffect[] = [];
  if (problem !== undefined)
    reports.push({ kind: "report", key: `report/nodes/${uid}/qos`, about, reason: "InvalidQoS", message: problem });
  const { netem, ...limits } = readQosRequest(annotations, OVN_PROVIDER);
  const ignored: string[] = [];
  if (nonPrimary && Object.values(limits).some(({ state }) => state !== "absent"))
    ignored.push(
      "limits of a node are not enforced: another network plugin creates primary interfaces (nonPrimaryCNI), so the node has no ovn0",
    );
  if (netem.state !== "absent") ignored.push("latency, jitter, loss and limit have no effect on a node, only on pods");
  if (ignored.length > 0) {
    const key = `report/nodes/${uid}/qos-ignored`;
    reports.push({ kind: "report", key, about, reason: "QoSNotApplied", message: ignored.join("; ") });
  }
  return reports;
}
