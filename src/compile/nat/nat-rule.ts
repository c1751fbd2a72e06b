// SPDX-License-Identifier: Apache-2.0

import { eipLabels, NAT } from "../../api/annotations.ts";
import { FINALIZER } from "../../api/names.ts";
import type { EipRuleFact } from "../../facts/nat-rule.ts";
import type { FactReader } from "../../facts/store.ts";
import { hostPrefix } from "../../net/address.ts";
import { parseCidr } from "../../net/cidr.ts";
import type { Dual } from "../../net/dual.ts";
import { type ConditionEffect, fill, type Note, type WeftEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { routerId } from "../owner-ids.ts";
import { malformedNotes } from "../references.ts";
import { withNotes } from "../reports.ts";
import { externalIds } from "../rows.ts";
import type { NatEip } from "./nat-eip.ts";
import { type NatProblem, natProblem } from "./nat-problem.ts";

/** The kinds of rules that use OvnEips. */
export type NatRuleKind = "ovnFips" | "ovnSnatRules" | "ovnDnatRules";

/**
 * Priority of the policies by which packets of one address leave the default VPC towards an external subnet: above the
 * policies to nodes (29000), as in Kube-OVN. In other VPCs the user's routes do that.
 */
const PRIORITY = 29250;

/** Rules of different external subnets may contain the same address. Replies from a port are more specific than an address, and that than a range, down to 29122 for `::/0`. */
function priorityOf(logical: string, more: string): number {
  if (more !== "") return PRIORITY + 1;
  const range = parseCidr(logical);
  return range === undefined ? PRIORITY : PRIORITY - (hostPrefix(range.family) - range.prefix);
}

/** The outcome of a rule. */
export interface NatOutcome {
  /** Absent if the rule is applied. */
  readonly problem?: NatProblem;
  readonly eip: NatEip | undefined;
  /** Additional fields of its status. */
  readonly status: Readonly<Record<string, unknown>>;
  readonly message: string;
  readonly notes: readonly Note[];
}

/** The effects of a rule: its condition, and once it is applied the finalizer, labels and annotation that Kube-OVN sets. */
export function natEffects(
  resource: NatRuleKind,
  rule: EipRuleFact,
  { problem, eip, status, message, notes }: NatOutcome,
): readonly WeftEffect[] {
  if (rule.deleting) return fill(resource, rule, { finalizer: false });
  const { name, uid, generation, finalizers, version, shownEip } = rule;
  const about = { key: `condition/${resource}/${name}`, resource, name, uid, generation } as const;
  const state =
    problem === undefined
      ? { ready: true, reason: "Ready", message }
      : { ready: false, reason: problem.reason, message: problem.message };
  const condition: ConditionEffect = {
    kind: "condition",
    ...about,
    ...state,
    status: { ...status, ready: problem === undefined, v4Eip: eip?.v4 ?? "", v6Eip: eip?.v6 ?? "" },
  };
  const said = withNotes(condition, [...notes, ...malformedNotes(rule)]);
  if (problem !== undefined || eip === undefined)
    return fill(resource, rule, { finalizer: finalizers.includes(FINALIZER), version }, said);
  const { v4, v6 } = eipLabels(eip);
  const labelled = rule.labels.v4 === v4 && rule.labels.v6 === v6;
  return fill(
    resource,
    { ...rule, annotations: shownEip === undefined ? {} : { [NAT.eip]: shownEip } },
    {
      finalizer: true,
      version,
      annotations: { [NAT.eip]: eip.name },
      ...(!labelled && { labels: eipLabels(eip).labels }),
    },
    said,
  );
}

/**
 * In the default VPC: routes packets from the inside addresses to the routers of the external subnet. `more`:
 * additional conditions.
 */
export function addWayOut(
  build: FragmentBuilder,
  id: string,
  vpc: string,
  pairs: readonly NatPair[],
  { subnet, gateway }: { readonly subnet: string; readonly gateway: Dual<string> },
  more = "",
): void {
  for (const { family, logical } of pairs) {
    const hop = gateway[family];
    if (hop === undefined) continue;
    build.held("Logical_Router", routerId(vpc), "policies", "Logical_Router_Policy", `${id}/${family}`, {
      priority: priorityOf(logical, more),
      match: `ip${family === "v4" ? 4 : 6}.src == ${logical}${more}`,
      action: "reroute",
      nexthops: [hop],
      external_ids: externalIds({ subnet }),
    });
  }
}

/** Whether a VPC is the default one. */
export function isDefaultVpc(reader: FactReader, vpc: string): boolean {
  return reader.get("vpcs", vpc)?.isDefault === true;
}

/** The outside and inside addresses, or ranges, of one family. */
export interface NatPair {
  readonly family: "v4" | "v6";
  readonly external: string;
  readonly logical: string;
}

/** The addresses, or ranges, that both sides have, by family. */
export function pairsOf(
  outside: { readonly v4: string; readonly v6: string },
  inside: { readonly v4: string; readonly v6: string },
): readonly NatPair[] {
  return (["v4", "v6"] as const).flatMap((family) => {
    const [external, logical] = [outside[family], inside[family]];
    return external === "" || logical === "" ? [] : [{ family, external, logical }];
  });
}

/** The problem that there are no such pairs. */
export function familyMismatch(
  eip: { readonly name: string; readonly v4: string; readonly v6: string },
  inside: { readonly v4: string; readonly v6: string },
): NatProblem {
  const texts = ({ v4, v6 }: { readonly v4: string; readonly v6: string }): string =>
    [v4, v6].filter(Boolean).join(", ");
  const message = `OvnEip "${eip.name}" has ${texts(eip)}, and inside is ${texts(inside)}: they have no address family in common`;
  return natProblem("FamilyMismatch", message);
}
