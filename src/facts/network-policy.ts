// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";

/** One NetworkPolicy (networking.k8s.io/v1). Its spec is unparsed: `src/policy` interprets it. */
export interface NetworkPolicyFact {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: NetworkPolicySpec;
}

/** networking.k8s.io/v1 NetworkPolicySpec. */
export interface NetworkPolicySpec {
  readonly podSelector?: LabelSelector;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly {
    readonly from?: readonly NetworkPolicyPeerFact[];
    readonly ports?: readonly NetworkPolicyPortFact[];
  }[];
  readonly egress?: readonly {
    readonly to?: readonly NetworkPolicyPeerFact[];
    readonly ports?: readonly NetworkPolicyPortFact[];
  }[];
}

/** networking.k8s.io/v1 NetworkPolicyPeer. */
export interface NetworkPolicyPeerFact {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

/** networking.k8s.io/v1 NetworkPolicyPort. */
export interface NetworkPolicyPortFact {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
}
