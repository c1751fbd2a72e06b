// SPDX-License-Identifier: Apache-2.0

import type { AdminSlots } from "../facts/admin-policy.ts";
import type { PolicyRule } from "./types.ts";

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
