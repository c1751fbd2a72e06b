// SPDX-License-Identifier: Apache-2.0

import { gatewayName } from "../../api/names.ts";
import type { Fragment } from "../../desired/fragment.ts";
import { rowUuid } from "../../desired/identity.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import type { FactReader } from "../../facts/store.ts";
import type { GatewayGroupFact } from "../../facts/subnet.ts";
import type { WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { gatewayGroupId, gatewaySwitchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** The priority of the first member of a group; each further member has one less. */
const HIGHEST = 100;

/**
 * Adds the port that shows whether a gateway node is alive. It carries no packets, is on a switch of its own, and the
 * first living chassis of the node's group claims it. The members of the group monitor each other by BFD on their
 * tunnels (ovn-controller enables it). If the node is down or disconnected, another chassis claims the port, and its
 * Port_Binding changes, which `GatewayWatch` reads.
 *
 * A port of type `external` with a group costs almost no flows; a router port with a group would need a router.
 */
export const gatewayUnit: UnitKind<FactReader, GatewayGroupFact, WeftEffect> = {
  name: "gateway",
  priority: 2,

  read(reader, key) {
    return reader.get("gatewayGroups", key);
  },

  compile({ key: node, members }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    const name = gatewayName(node);
    const external_ids = externalIds({ node });
    const [group, holder] = [gatewayGroupId(node), gatewaySwitchId(node)];
    build.row("HA_Chassis_Group", group, { name, external_ids });
    for (const [i, chassis_name] of members.entries())
      build.held("HA_Chassis_Group", group, "ha_chassis", "HA_Chassis", `${group}/${chassis_name}`, {
        chassis_name,
        priority: HIGHEST - i,
        external_ids,
      });
    build.row("Logical_Switch", holder, { name, external_ids });
    build.held("Logical_Switch", holder, "ports", "Logical_Switch_Port", holder, {
      name,
      type: "external",
      addresses: [],
      ha_chassis_group: rowUuid("HA_Chassis_Group", group),
      external_ids,
    });
    return build.finish();
  },
};
