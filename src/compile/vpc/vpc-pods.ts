// SPDX-License-Identifier: Apache-2.0

import { vpcPodsGroupName } from "../../api/names.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { compileVpcAcls } from "../node/node-acls.ts";
import { vpcPodsId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";

/** Adds the group of all pods' ports in a custom VPC, which each pod joins, and while there are policies the rules for all of them. */
export function addVpcPods(build: FragmentBuilder, vpc: string, policies: boolean): void {
  const name = vpcPodsGroupName(vpc);
  build.row("Port_Group", vpcPodsId(vpc), { name, external_ids: externalIds({ vpc }) });
  if (policies) compileVpcAcls(build, vpc, name);
}
