// SPDX-License-Identifier: Apache-2.0

import { type Asked, DIRECTIONS, type QosRequest } from "../contract/bandwidth-annotations.ts";
import { type Bandwidth, type Qos, showBandwidth, showNetem } from "../contract/qos-record.ts";
import type { FragmentBuilder } from "./fragment-builder.ts";
import { switchId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

/** Below whatever an administrator adds to the switch (0 to 32767, the highest one counts). */
const PRIORITY = 1_000;

/**
 * What is active: what is asked for, and where that is invalid what was active before. `isNew`: the interface is not in use yet, so that an invalid
 * setting refuses it; on one that is in use nothing having been active means no limit.
 */
export function settleQos(asked: QosRequest, before: Qos, isNew: boolean): Qos {
  const problems: string[] = [];
  const missing: string[] = [];
  const settle = <T>(one: Asked<T>, former: T | undefined, show: (value: T) => string): T | undefined => {
    if (one.state === "valid") return one.value;
    if (one.state === "absent") return undefined;
    if (former === undefined && isNew) missing.push(one.annotation);
    const active =
      former === undefined
        ? isNew
          ? "the interface is not created"
          : "no limit is active"
        : `${show(former)} stays active`;
    problems.push(`${one.problem}; ${active}`);
    return former;
  };
  const ingress = settle(asked.ingress, before.ingress, showBandwidth);
  const egress = settle(asked.egress, before.egress, showBandwidth);
  const netem = settle(asked.netem, before.netem, showNetem);
  return {
    ...(ingress && { ingress }),
    ...(egress && { egress }),
    ...(netem && { netem }),
    ...(problems.length > 0 && { problem: problems.join("; ") }),
    ...(missing.length > 0 && { refused: true }),
  };
}

/**
 * Adds the QoS rows of a port. OVN makes a meter of each on the chassis that binds the port, on kernel and userspace datapaths alike, and drops what is
 * beyond it; nothing in the pod can change that. See docs/design/qos.md for why it is meters.
 * @param id of the port's row.
 */
export function addQos(
  build: FragmentBuilder,
  port: { readonly id: string; readonly name: string; readonly subnet: string; readonly pod?: string },
  qos: Qos,
): void {
  for (const direction of DIRECTIONS) {
    const limit: Bandwidth | undefined = qos[direction];
    if (limit === undefined) continue;
    // OVN's directions are those of its switch.
    const [towards, side] =
      direction === "ingress" ? (["to-lport", "outport"] as const) : (["from-lport", "inport"] as const);
    build.held("Logical_Switch", switchId(port.subnet), "qos_rules", "QoS", `${port.id}/qos/${direction}`, {
      priority: PRIORITY,
      direction: towards,
      match: `${side} == ${JSON.stringify(port.name)}`,
      bandwidth: { rate: limit.rate, burst: limit.burst },
      external_ids: externalIds({ port: port.name, ...(port.pod !== undefined && { pod: port.pod }) }),
    });
  }
}
