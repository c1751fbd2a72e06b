// SPDX-License-Identifier: Apache-2.0

import type { PolicyName, ShownPolicyKind } from "../../page/contract.ts";

const API_VERSIONS: Readonly<Record<ShownPolicyKind, string>> = {
  NetworkPolicy: "networking.k8s.io/v1",
  AdminNetworkPolicy: "policy.networking.k8s.io/v1alpha1",
  BaselineAdminNetworkPolicy: "policy.networking.k8s.io/v1alpha1",
  ClusterNetworkPolicy: "policy.networking.k8s.io/v1alpha2",
  SecurityGroup: "kubeovn.io/v1",
};

/** A manifest that names a policy and says no more: enough to plan and to apply its deletion. */
export function removalManifest({ kind, namespace, name }: PolicyName): string {
  const where = namespace === undefined ? "" : `\n  namespace: ${namespace}`;
  return `apiVersion: ${API_VERSIONS[kind]}\nkind: ${kind}\nmetadata:\n  name: ${name}${where}\n`;
}
