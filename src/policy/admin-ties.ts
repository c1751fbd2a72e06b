// SPDX-License-Identifier: Apache-2.0

import type { AdminPolicyFact } from "../facts/admin-policy.ts";
import type { FactReader } from "../facts/store.ts";
import { ADMIN_KINDS, translateAdminPolicy, unplacedRules } from "./admin-policy.ts";
import { adminPlaces, adminSlots, assignPriorities, type PlacedRules, type UnplacedRule } from "./admin-priorities.ts";
import { canonicalSelector } from "./labels.ts";
import type { Direction, Policy, PolicyProblem, PolicyRule } from "./types.ts";

/**
 * Translates a policy together with others that have the same priority. The API does not define which of two policies with the same priority decides,
 * and OVN does not define which of two ACLs with the same priority does. So the rules of such policies, as far as they may apply to the same pods
 * with different actions, are merged into one order that keeps the order within each policy: the next rule is taken from the policy whose next Deny
 * comes soonest. So each connection is still decided by one of the policies, as the API requires, and the result does not depend on which policy was
 * created first.
 */
export function settleTies(reader: FactReader, fact: AdminPolicyFact): Policy {
  const own = translateAdminPolicy(fact);
  const tied = fact.kind === "banp" ? [fact] : tiedWith(reader, fact);
  if (tied.length === 1) return own;
  const problems: PolicyProblem[] = [];
  const rules: PolicyRule[] = [];
  let settled = false;
  let closed = 0;
  for (const direction of ["ingress", "egress"] as const) {
    const found = settle(tied, direction, fact);
    settled ||= found !== undefined;
    closed += found?.closed ?? 0;
    rules.push(...(found?.rules ?? own.rules.filter((rule) => rule.direction === direction)));
  }
  if (!settled) return own;
  const others = tied.filter((other) => other !== fact).map(({ kind, name }) => `${ADMIN_KINDS[kind]} ${name}`);
  const named =
    others.length > 3 ? `${others.slice(0, 3).join(", ")} and ${others.length - 3} more` : others.join(", ");
  const message = `${named} may select the same pods at the same priority, and their order is undefined; their rules are applied alternately, Deny rules first`;
  problems.push({ path: "spec.priority", reason: "PriorityTie", message });
  if (closed > 0) {
    const message = `${closed} rules of these policies exceed the number of rules that this priority can have; their Allow rules are ignored, and their Pass rules deny`;
    problems.push({ path: "spec.priority", reason: "TooManyRules", message });
  }
  return { ...own, rules, problems: [...own.problems, ...problems] };
}

/** All policies that are tied with one, directly or through others, including itself; in an order that is the same for all of them. */
function tiedWith(reader: FactReader, fact: AdminPolicyFact): readonly AdminPolicyFact[] {
  const found = new Map<string, AdminPolicyFact>();
  const open = [fact];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (found.has(idOf(one))) continue;
    found.set(idOf(one), one);
    for (const place of adminPlaces(one)) {
      for (const other of [
        ...reader.by("adminNetworkPolicies", "place", place),
        ...reader.by("clusterNetworkPolicies", "place", place),
      ]) {
        if (slotsOverlap(one, other) && mayConcernSamePods(one, other)) open.push(other);
      }
    }
  }
  return [...found.values()].sort((a, b) => adminSlots(b).first - adminSlots(a).first || (idOf(a) < idOf(b) ? -1 : 1));
}

function idOf({ kind, name }: AdminPolicyFact): string {
  return `${kind}/${name}`;
}

function slotsOverlap(a: AdminPolicyFact, b: AdminPolicyFact): boolean {
  const one = adminSlots(a);
  const other = adminSlots(b);
  return one.tier === other.tier && one.first > other.first - other.count && other.first > one.first - one.count;
}

/** False only if required labels exclude each other. */
function mayConcernSamePods(a: AdminPolicyFact, b: AdminPolicyFact): boolean {
  const parts = ({ subject: { namespaces, pods } }: AdminPolicyFact): readonly Readonly<Record<string, string>>[] =>
    [namespaces ?? pods?.namespaceSelector ?? {}, pods?.podSelector ?? {}].map(
      (selector) => canonicalSelector(selector).matchLabels ?? {},
    );
  const others = parts(b);
  return parts(a).every((labels, i) =>
    Object.entries(labels).every(([key, value]) => (others[i]?.[key] ?? value) === value),
  );
}

/** The rules of `own` in one direction, placed among those of the others; none if there is no tie. */
function settle(tied: readonly AdminPolicyFact[], direction: Direction, own: AdminPolicyFact): PlacedRules | undefined {
  const lists = tied.map((fact) => ({ fact, first: adminSlots(fact).first, rules: unplacedRules(fact, direction) }));
  const busy = lists.filter(({ rules }) => rules.length > 0);
  if (busy.length < 2 || new Set(busy.flatMap(({ rules }) => rules.map(({ action }) => action))).size < 2)
    return undefined;
  const owners: AdminPolicyFact[] = [];
  const merged: UnplacedRule[] = [];
  for (const first of new Set(busy.map((list) => list.first))) {
    const open = busy.filter((list) => list.first === first).map(({ fact, rules }) => ({ fact, rest: [...rules] }));
    for (;;) {
      const [next] = open.filter(({ rest }) => rest.length > 0).sort((a, b) => untilDeny(a.rest) - untilDeny(b.rest));
      const rule = next?.rest.shift();
      if (next === undefined || rule === undefined) break;
      owners.push(next.fact);
      merged.push({ ...rule, place: merged.length });
    }
  }
  const slots = tied.map(adminSlots);
  const top = Math.max(...slots.map(({ first }) => first));
  const bottom = Math.min(...slots.map(({ first, count }) => first - count));
  // The owner of a rule must be known after the placing, which may leave some out.
  const tagged = merged.map((rule, i) => ({ ...rule, name: `${owners[i] === own ? "+" : "-"}${rule.name}` }));
  const { rules, closed } = assignPriorities(tagged, { first: top, count: top - bottom });
  const ours = rules.flatMap((rule) => (rule.name.startsWith("+") ? [{ ...rule, name: rule.name.slice(1) }] : []));
  return { rules: ours, closed };
}

function untilDeny(rules: readonly UnplacedRule[]): number {
  const at = rules.findIndex(({ action }) => action === "drop");
  return at === -1 ? rules.length + 1000 : at;
}
