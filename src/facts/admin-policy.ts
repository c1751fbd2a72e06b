// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";

/** Which of the three kinds of policy.networking.k8s.io a policy is. Used as the prefix of its id. */
export type AdminPolicyKind = "anp" | "banp" | "cnp";

/**
 * One AdminNetworkPolicy, BaselineAdminNetworkPolicy (both v1alpha1) or ClusterNetworkPolicy (v1alpha2), in one form: they differ in the names of
 * fields. Unknown values are kept, or absent; `src/policy` interprets them.
 */
export interface AdminPolicyFact {
  /** The object's name: they are cluster-scoped. */
  readonly key: string;
  /** Always "". */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly kind: AdminPolicyKind;
  /** `Admin`, `Baseline` or an invalid value. */
  readonly tier: string;
  /** Unparsed; absent if not set, and for a BaselineAdminNetworkPolicy. */
  readonly priority?: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly subject: AdminPeerFact;
  readonly ingress: readonly AdminRuleFact[];
  readonly egress: readonly AdminRuleFact[];
}

/** One rule. */
export interface AdminRuleFact {
  readonly name?: string;
  /** `Allow` (ClusterNetworkPolicy: `Accept`), `Deny` or `Pass`. */
  readonly action: string;
  readonly peers: readonly AdminPeerFact[];
  /** Absent if the rule applies to all ports. */
  readonly ports?: readonly AdminPortFact[];
}

/** One peer, or a policy's subject. Exactly one field is set, unless the API has an unknown field. */
export interface AdminPeerFact {
  readonly namespaces?: LabelSelector;
  readonly pods?: { readonly namespaceSelector?: LabelSelector; readonly podSelector?: LabelSelector };
  readonly nodes?: LabelSelector;
  readonly networks?: readonly string[];
  readonly domainNames?: readonly string[];
}

/** One port: by number (`first` to `last`, of `protocol`) or by name (of any protocol). Neither: unknown. */
export interface AdminPortFact {
  readonly protocol?: string;
  readonly first?: number;
  readonly last?: number;
  readonly name?: string;
}

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
