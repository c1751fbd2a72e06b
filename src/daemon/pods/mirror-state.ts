// SPDX-License-Identifier: Apache-2.0

import { MIRROR_INTERFACE } from "../../api/names.ts";
import { MIRROR_TABLE } from "../../node/marks.ts";
import type { NodeState } from "../../node/state.ts";
import { INTEGRATION_BRIDGE } from "../ovs/ovs-view.ts";

/** No packets are sent from it. Locally administered. */
const MAC = "0a:57:45:46:54:00";

/** Bytes. The kernel datapath drops longer copies, so it is larger than pods' usual MTU. */
const MTU = 9_000;

/**
 * The node's desired state for `mirror0`, without the link, which may be up only after the rest is set: {@link
 * MIRROR_LINK}. `index`: of the device; absent while it does not exist. Pure.
 *
 * `mirror0` receives packets as pods have sent them, before OVN checks them. The node's network stack must not
 * process them: a frame that a pod sends to the MAC of `mirror0`, or to broadcast, would otherwise reach the node's
 * sockets past port security and all policies. Programs that capture (packet(7)) see frames before the ingress hook.
 * The rule is bound to the device and deleted with it, hence the index: a new device needs a new rule.
 */
export function mirrorState(index?: number): NodeState {
  const link = MIRROR_INTERFACE;
  return {
    ovs: { ports: [{ name: link, bridge: INTEGRATION_BRIDGE, mac: MAC, mtu: MTU, externalIds: {} }] },
    // No router solicitations, which OVS would log as packets received from a mirror's output port.
    sysctls: [{ key: ["ipv6", "conf", link, "disable_ipv6"], value: "1", insteadOf: "0", link }],
    tables: [{ name: MIRROR_TABLE, script: guard(index ?? 0), link }],
  };
}

/** The link of {@link mirrorState}. */
export const MIRROR_LINK = { name: MIRROR_INTERFACE, mac: MAC, mtu: MTU };

function guard(index: number): string {
  return [
    `table ${MIRROR_TABLE} {}`,
    `delete table ${MIRROR_TABLE}`,
    `table ${MIRROR_TABLE} {`,
    `  # device ${index}`,
    "  chain capture-only {",
    `    type filter hook ingress device "${MIRROR_INTERFACE}" priority -500; policy drop;`,
    "  }",
    "}",
    "",
  ].join("\n");
}
