// SPDX-License-Identifier: Apache-2.0

import type { PolicyKind } from "../policy/policy-kinds.ts";
import type { PolicyName, ShownPolicyKind } from "./contract.ts";

/** Kind of fact → the kind of object. */
const KIND_OF: Readonly<Record<PolicyKind, ShownPolicyKind>> = {
  networkPolicies: "NetworkPolicy",
  adminNetworkPolicies: "AdminNetworkPolicy",
  baselineAdminNetworkPolicies: "BaselineAdminNetworkPolicy",
  clusterNetworkPolicies: "ClusterNetworkPolicy",
};

/** The beginning of a policy's id → the kind of object. */
const KIND_OF_ID: Readonly<Record<string, ShownPolicyKind>> = {
  np: "NetworkPolicy",
  anp: "AdminNetworkPolicy",
  banp: "BaselineAdminNetworkPolicy",
  cnp: "ClusterNetworkPolicy",
  sg: "SecurityGroup",
};

/** The kind of object of a kind of fact. */
export function policyKindOf(facts: PolicyKind): ShownPolicyKind {
  return KIND_OF[facts];
}

/** The kind of fact of a kind of object; `undefined` for a SecurityGroup and for what is no policy. */
export function policyFacts(kind: string): PolicyKind | undefined {
  return (Object.keys(KIND_OF) as PolicyKind[]).find((facts) => KIND_OF[facts] === kind);
}

/** What a policy's id names (`np/shop/web`, `anp/deny`), as in `Policy.id` and `external_ids:policy` of its ACLs. */
export function policyName(id: string): PolicyName | undefined {
  const [prefix = "", first = "", second] = id.split("/");
  const kind = KIND_OF_ID[prefix];
  if (kind === undefined) return undefined;
  return second === undefined ? { kind, name: first } : { kind, namespace: first, name: second };
}
