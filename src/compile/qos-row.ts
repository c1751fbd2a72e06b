// SPDX-License-Identifier: Apache-2.0

import { DIRECTIONS } from "../contract/bandwidth-annotations.ts";
import type { Bandwidth, Qos } from "../contract/qos-record.ts";
import type { FragmentBuilder } from "./fragment-builder.ts";
import { switchId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

/** Below the rules that an administrator adds to the switch (0 to 32767, the highest applies). */
const PRIORITY = 1_000;

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
