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
