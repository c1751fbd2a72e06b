// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import type { FactReader } from "../../facts/store.ts";
import { fill, releaseIp, type WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { type OrphanedAddresses, readSubnet, type SubnetInput } from "./subnet-input.ts";
import { compileSubnetRows } from "./subnet-rows.ts";
import { compileSubnetEffects } from "./subnet-status.ts";

/** A subnet: its logical switch, the pair of ports to its router, and its gateway out of the VPC. */
export const subnetUnit: UnitKind<FactReader, SubnetInput | OrphanedAddresses, WeftEffect> = {
  name: "subnet",
  priority: 1,

  read: readSubnet,

  compile(input): Fragment<WeftEffect> {
    if ("orphans" in input)
      return { ...new FragmentBuilder().finish(), effects: input.orphans.map((orphan) => releaseIp(orphan)) };
    const { subnet, verdict, holders } = input;
    const gone = subnet.deleting && holders.length === 0;
    // A subnet for interfaces of another plugin has no switch.
    const rows =
      gone || !verdict.ok || !isOvnProvider(subnet.provider)
        ? new FragmentBuilder().finish()
        : compileSubnetRows(input);
    return {
      ...rows,
      effects: gone ? fill("subnets", subnet, { finalizer: false }) : compileSubnetEffects(input),
    };
  },
};
