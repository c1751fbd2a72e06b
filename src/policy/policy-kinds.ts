// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../facts/store.ts";
import type { FactTypes } from "../facts/types.ts";
import { translateAdminPolicy } from "./admin-policy.ts";
import { settleTies } from "./admin-ties.ts";
import { translateNetworkPolicy } from "./network-policy.ts";
import type { Policy } from "./types.ts";

/** Each kind of fact that is a policy, and its translation. A new kind is added here, and as a unit. */
const TRANSLATORS = {
  networkPolicies: translateNetworkPolicy,
  adminNetworkPolicies: translateAdminPolicy,
  baselineAdminNetworkPolicies: translateAdminPolicy,
  clusterNetworkPolicies: translateAdminPolicy,
} as const;

/** The kinds of facts that are policies. */
export type PolicyKind = keyof typeof TRANSLATORS;

/** All of them. */
export const POLICY_KINDS = Object.keys(TRANSLATORS) as readonly PolicyKind[];

/** Whether facts of this kind are policies. */
export function isPolicyKind(kind: string): kind is PolicyKind {
  return kind in TRANSLATORS;
}

/** Translates a policy by itself. Pure. */
function translatePolicy<K extends PolicyKind>(kind: K, fact: FactTypes[K]): Policy {
  // The table's type ties each kind to its own function; TypeScript cannot follow that through a generic K.
  return (TRANSLATORS[kind] as (fact: FactTypes[K]) => Policy)(fact);
}

/** Translates a policy together with others that have the same priority; undefined if the policy does not exist. */
export function acceptedPolicy(reader: FactReader, kind: PolicyKind, key: string): Policy | undefined {
  const fact = reader.get(kind, key);
  if (fact === undefined) return undefined;
  return "kind" in fact ? settleTies(reader, fact) : translatePolicy(kind, fact);
}
