// SPDX-License-Identifier: Apache-2.0

import { NODE, ZONE_LABEL } from "../../api/annotations.ts";
import type { Fragment } from "../../desired/fragment.ts";
import { mapEntry } from "../../desired/map-entry.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import type { FactReader } from "../../facts/store.ts";
import type { WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { chassisVariablesId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { SPELLING, zoneVariable } from "../service/template-variables.ts";

interface ChassisInput {
  readonly node: string;
  /** Its `system-id`; absent if another node has the same one and gets the variables. */
  readonly chassis?: string;
  readonly zone: string;
}

/**
 * The variables of load balancers on this node: its row of `Chassis_Template_Var`. Other units add the entries of the map, each with a key of its
 * own: a Service adds its endpoints on the node.
 *
 * This unit is separate from the node's: OVN allows one row for each chassis, so a row of another client keeps this one out, and must not keep out
 * anything else.
 */
export const chassisUnit: UnitKind<FactReader, ChassisInput, WeftEffect> = {
  name: "chassis",
  priority: 2,

  read(reader, key) {
    const node = reader.get("nodes", key);
    const chassis = node?.annotations[NODE.chassis];
    if (node === undefined || chassis === undefined) return undefined;
    // Nodes copied from one disk have the same system-id (the node's condition says so): the first of them gets the variables.
    const [first] = reader.by("nodes", "chassis", chassis);
    if (first !== undefined && first.key !== key) return { node: key, zone: "" };
    return { node: key, chassis, zone: node.labels[ZONE_LABEL] ?? "" };
  },

  compile({ node, chassis, zone }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    if (chassis === undefined) return build.finish();
    const id = chassisVariablesId(node);
    build.row("Chassis_Template_Var", id, { chassis, external_ids: externalIds({ node }) });
    for (const entry of [...SPELLING, mapEntry(zoneVariable(zone), "")])
      build.member("Chassis_Template_Var", id, "variables", entry);
    return build.finish();
  },
};
