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
  /** Its `system-id`; absent where another node's is the same, and that one has the variables. */
  readonly chassis?: string;
  readonly zone: string;
}

/**
 * What load balancers of all nodes are to read differently on this one: its row of `Chassis_Template_Var`. The entries of its map are members that
 * others add, each a key of its own: a Service adds its endpoints on the node.
 *
 * A unit apart from the node's: OVN has one row for a chassis, so one that somebody else made keeps this one out, and must keep out nothing else.
 */
export const chassisUnit: UnitKind<FactReader, ChassisInput, WeftEffect> = {
  name: "chassis",
  priority: 2,

  read(reader, key) {
    const node = reader.get("nodes", key);
    const chassis = node?.annotations[NODE.chassis];
    if (node === undefined || chassis === undefined) return undefined;
    // Copies of one disk have one system-id (the node's condition says so): of these the first one counts.
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
