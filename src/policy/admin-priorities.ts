// SPDX-License-Identifier: Apache-2.0

import type { AdminPolicyFact } from "../facts/admin-policy.ts";
import type { PolicyRule } from "./types.ts";

/** The priorities of a policy's ACLs in OVN: `first`, and `count - 1` below it. */
export interface AdminSlots {
  /** OVN's tier (ovn-nb(5), ACL `tier`); NetworkPolicies are in 2. */
  readonly tier: 1 | 3;
  readonly first: number;
  readonly count: number;
}

/** Lower bound, upper bound of `spec.priority` in all kinds. */
export const ADMIN_PRIORITIES = { first: 0, last: 1000 } as const;

/**
 * A policy's ACL priorities. Kube-OVN's formulas as far as they reach: AdminNetworkPolicy `30000 - priority * 100` and 99 below, to
 * priority 99; ClusterNetworkPolicy `30000 - priority * 25` and 24 below; BaselineAdminNetworkPolicy 1800 and 99 below. The AdminNetworkPolicies from
 * 100 to 1000, which Kube-OVN refuses, share the range below 20000: 22 each. A priority out of range counts as the nearest valid one, a missing one
 * as the last.
 */
export function adminSlots({ kind, tier, priority }: AdminPolicyFact): AdminSlots {
  if (kind === "banp") return { tier: 3, first: 1800, count: 100 };
  const { first, last } = ADMIN_PRIORITIES;
  const at = Math.min(Math.max(Math.trunc(priority ?? last), first), last);
  if (kind === "cnp") return { tier: tier === "Baseline" ? 3 : 1, first: 30_000 - at * 25, count: 25 };
  if (at < 100) return { tier: 1, first: 30_000 - at * 100, count: 100 };
  return { tier: 1, first: 20_000 - (at - 100) * 22, count: 22 };
}

/**
 * The slots of a policy in its tier, in steps of 25 priorities: two policies with overlapping ACL priorities share one. An index over these finds
 * them.
 */
export function adminPlaces(fact: AdminPolicyFact): readonly string[] {
  const { tier, first, count } = adminSlots(fact);
  const places: string[] = [];
  for (let at = Math.floor((30_000 - first) / 25); 30_000 - at * 25 > first - count; at++) places.push(`${tier}/${at}`);
  return places;
}

/** A rule without a priority. */
export interface UnplacedRule extends Omit<PolicyRule, "priority"> {
  /** Its position among the rules of its direction, from 0; rules with the same position are one rule. Never decreases in a list. */
  readonly place: number;
}

/** Rules with their priorities, and the number of rules for which there was none. */
export interface PlacedRules {
  readonly rules: readonly PolicyRule[];
  readonly closed: number;
}

/**
 * Assigns priorities from `slots` to rules of one direction, in their order: one for each position, as in Kube-OVN. If there are more positions than
 * slots, consecutive rules with the same action share one, because their order does not matter. Rules that still do not fit fail closed: their Allows
 * are left out, the rest is denied, at the last priority.
 */
export function assignPriorities(
  rules: readonly UnplacedRule[],
  { first, count }: Pick<AdminSlots, "first" | "count">,
): PlacedRules {
  const places = rules.map(({ place }) => place);
  const offsets = (places.at(-1) ?? 0) < count ? places : runs(rules);
  if ((offsets.at(-1) ?? 0) < count)
    return { rules: rules.map((rule, i) => place(rule, first - (offsets[i] ?? 0))), closed: 0 };
  // The last slot is for rules that do not fit.
  const fit = offsets.findIndex((offset) => offset >= count - 1);
  const placed = rules.slice(0, fit).map((rule, i) => place(rule, first - (offsets[i] ?? 0)));
  const rest = rules.slice(fit);
  const denied = rest.filter(({ action }) => action !== "allow-related");
  const last = first - count + 1;
  return { rules: [...placed, ...denied.map((rule) => place({ ...rule, action: "drop" }, last))], closed: rest.length };
}

function place(rule: UnplacedRule, priority: number): PolicyRule {
  const { direction, action, peers, ports, name, log } = rule;
  return { direction, action, peers, ports, name, priority, ...(log && { log }) };
}

/** For each rule, the number of changes of the action before it. */
function runs(rules: readonly UnplacedRule[]): readonly number[] {
  let run = 0;
  return rules.map(({ action }, i) => {
    if (i > 0 && action !== rules[i - 1]?.action) run++;
    return run;
  });
}
