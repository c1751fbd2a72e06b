// SPDX-License-Identifier: Apache-2.0

import type { FragmentBuilder } from "./fragment-builder.ts";
import { routerPortId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

/** Adds the chassis that may host a router port: OVN puts it on the first one that is alive (ovn-nb(5), Logical_Router_Port `gateway_chassis`). */
export function addGatewayChassis(build: FragmentBuilder, port: string, chassis: readonly string[]): void {
  for (const [i, name] of chassis.entries()) {
    const id = `${port}-${name}`;
    build.held("Logical_Router_Port", routerPortId(port), "gateway_chassis", "Gateway_Chassis", id, {
      name: id,
      chassis_name: name,
      priority: Math.max(1, 100 - i),
      external_ids: externalIds({ lrp: port }),
    });
  }
}
