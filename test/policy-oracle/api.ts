// SPDX-License-Identifier: Apache-2.0

/**
 * Kubernetes objects, as far as policies use them. Written from the API's types (core/v1,
 * networking.k8s.io/v1, policy.networking.k8s.io v1alpha1 and v1alpha2), and not taken from the product, which is under test.
 */

/** meta/v1 LabelSelector. */
export interface ApiLabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
    readonly values?: readonly string[];
  }[];
}

export type ApiProtocol = "TCP" | "UDP" | "SCTP";
type Labels = Readonly<Record<string, string>>;

export interface ApiNamespace {
  readonly metadata: { readonly name: string; readonly labels: Labels };
}

export interface ApiPod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Labels;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly nodeName: string;
    readonly hostNetwork?: boolean;
    readonly containers: readonly {
      readonly ports?: readonly {
        readonly name?: string;
        readonly containerPort: number;
        readonly protocol?: ApiProtocol;
      }[];
    }[];
  };
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
}

export interface ApiNode {
  readonly metadata: { readonly name: string; readonly labels: Labels };
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
}

/** networking.k8s.io/v1 NetworkPolicy. */
export interface NetworkPolicy {
  readonly kind: "NetworkPolicy";
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly podSelector: ApiLabelSelector;
    readonly policyTypes?: readonly ("Ingress" | "Egress")[];
    readonly ingress?: readonly {
      readonly from?: readonly NetworkPolicyPeer[];
      readonly ports?: readonly NetworkPolicyPort[];
    }[];
    readonly egress?: readonly {
      readonly to?: readonly NetworkPolicyPeer[];
      readonly ports?: readonly NetworkPolicyPort[];
    }[];
  };
}

export interface NetworkPolicyPeer {
  readonly podSelector?: ApiLabelSelector;
  readonly namespaceSelector?: ApiLabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

export interface NetworkPolicyPort {
  readonly protocol?: ApiProtocol;
  readonly port?: number | string;
  readonly endPort?: number;
}

/** A subject of the cluster-wide kinds; exactly one member is set. */
export interface AdminSubject {
  readonly namespaces?: ApiLabelSelector;
  readonly pods?: { readonly namespaceSelector: ApiLabelSelector; readonly podSelector: ApiLabelSelector };
}

/** A peer of the cluster-wide kinds; exactly one member is set, and `nodes` and `networks` in egress rules only. */
export interface AdminPeer extends AdminSubject {
  readonly nodes?: ApiLabelSelector;
  readonly networks?: readonly string[];
}

/** v1alpha1 AdminNetworkPolicyPort; exactly one member is set. */
export interface AdminPort {
  readonly portNumber?: { readonly protocol: ApiProtocol; readonly port: number };
  readonly portRange?: { readonly protocol?: ApiProtocol; readonly start: number; readonly end: number };
  readonly namedPort?: string;
}

interface AdminRule<Action> {
  readonly name?: string;
  readonly action: Action;
  readonly ports?: readonly AdminPort[];
}

interface AdminSpec<Action> {
  readonly subject: AdminSubject;
  readonly ingress?: readonly (AdminRule<Action> & { readonly from: readonly AdminPeer[] })[];
  readonly egress?: readonly (AdminRule<Action> & { readonly to: readonly AdminPeer[] })[];
}

/** policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy. */
export interface AdminNetworkPolicy {
  readonly kind: "AdminNetworkPolicy";
  readonly metadata: { readonly name: string };
  readonly spec: AdminSpec<"Allow" | "Deny" | "Pass"> & { readonly priority: number };
}

/** policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy. */
export interface BaselineAdminNetworkPolicy {
  readonly kind: "BaselineAdminNetworkPolicy";
  readonly metadata: { readonly name: "default" };
  readonly spec: AdminSpec<"Allow" | "Deny">;
}

/** v1alpha2 ClusterNetworkPolicyProtocol; exactly one member is set. */
export interface ClusterProtocol {
  readonly tcp?: { readonly destinationPort?: ClusterPort };
  readonly udp?: { readonly destinationPort?: ClusterPort };
  readonly sctp?: { readonly destinationPort?: ClusterPort };
  readonly destinationNamedPort?: string;
}

export interface ClusterPort {
  readonly number?: number;
  readonly range?: { readonly start: number; readonly end: number };
}

interface ClusterRule {
  readonly name?: string;
  readonly action: "Accept" | "Deny" | "Pass";
  readonly protocols?: readonly ClusterProtocol[];
}

/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy. */
export interface ClusterNetworkPolicy {
  readonly kind: "ClusterNetworkPolicy";
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly tier: "Admin" | "Baseline";
    readonly priority: number;
    readonly subject: AdminSubject;
    readonly ingress?: readonly (ClusterRule & { readonly from: readonly AdminPeer[] })[];
    readonly egress?: readonly (ClusterRule & { readonly to: readonly AdminPeer[] })[];
  };
}

export type ApiPolicy = NetworkPolicy | AdminNetworkPolicy | BaselineAdminNetworkPolicy | ClusterNetworkPolicy;

/** Everything that a verdict depends on. */
export interface OracleWorld {
  readonly namespaces: readonly ApiNamespace[];
  readonly pods: readonly ApiPod[];
  readonly nodes: readonly ApiNode[];
  readonly policies: readonly ApiPolicy[];
}
