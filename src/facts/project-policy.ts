// SPDX-License-Identifier: Apache-2.0

import { ourAnnotations, type ProjectedMeta } from "./meta.ts";
import type { NetworkPolicyFact, NetworkPolicySpec } from "./network-policy.ts";

/** The fact of a NetworkPolicy. */
export function projectNetworkPolicy(policy: {
  readonly metadata: ProjectedMeta;
  readonly spec?: NetworkPolicySpec;
}): NetworkPolicyFact {
  const { name, namespace = "default", uid } = policy.metadata;
  const { podSelector, policyTypes, ingress, egress } = policy.spec ?? {};
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    uid,
    annotations: ourAnnotations(policy.metadata),
    spec: {
      ...(podSelector && { podSelector }),
      ...(policyTypes && { policyTypes }),
      ...(ingress && { ingress }),
      ...(egress && { egress }),
    },
  };
}
