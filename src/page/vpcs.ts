// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../facts/store.ts";
import { type ConditionsOf, conditionRows, healthOf } from "./conditions.ts";
import type { EventRow, Health, VpcDetail } from "./contract.ts";
import { notFound } from "./page-error.ts";
import { subnetRows } from "./subnets.ts";
import { type Viewer, visibleVpcs } from "./viewer.ts";

/** How a VPC is. */
export function vpcHealth(
  facts: FactReader,
  viewer: Viewer,
  name: string,
  conditionsOf: ConditionsOf,
): { readonly state: Health; readonly problem?: string } {
  if (!viewer.sees.networks) return { state: "unknown" };
  const told = healthOf(conditionsOf("vpcs", name));
  if (told.state === "error") return told;
  const [problem] = facts.get("vpcs", name)?.problems ?? [];
  if (problem !== undefined) return { state: "warning", problem: `${problem.path}: ${problem.message}` };
  return told;
}

/** A VPC. Who does not see networks is told its name and their own subnets. Throws a `PageError`. */
export function vpcDetail(
  facts: FactReader,
  viewer: Viewer,
  name: string,
  conditionsOf: ConditionsOf,
  events: readonly EventRow[],
): VpcDetail {
  const vpc = visibleVpcs(facts, viewer).has(name) ? facts.get("vpcs", name) : undefined;
  if (vpc === undefined) throw notFound(`VPC ${name}`);
  const { isDefault, peerings, staticRoutes, policyRoutes } = vpc;
  const all = viewer.sees.networks;
  return {
    ...{ name, isDefault },
    subnets: subnetRows(facts, viewer, conditionsOf).filter((subnet) => subnet.vpc === name),
    peerings: all
      ? peerings.map(({ remoteVpc, local }) => ({
          vpc: remoteVpc,
          local: Object.values(local).flatMap((end) => end?.address ?? []),
        }))
      : [],
    staticRoutes: all ? staticRoutes.map(({ cidr, nextHopIp: nextHop, policy }) => ({ cidr, nextHop, policy })) : [],
    policyRoutes: all
      ? policyRoutes.map(({ priority, match, action, nextHops }) => ({ priority, match, action, nextHops }))
      : [],
    ...vpcHealth(facts, viewer, name, conditionsOf),
    conditions: all ? conditionRows(conditionsOf("vpcs", name)) : [],
    events: all ? events : [],
  };
}
