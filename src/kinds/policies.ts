// SPDX-License-Identifier: Apache-2.0

import { policyUnit } from "../compile/policy.ts";
import type { AdminPolicyFact } from "../facts/admin-policy.ts";
import type { NetworkPolicyFact } from "../facts/network-policy.ts";
import { projectAdminPolicy } from "../facts/project-admin-policy.ts";
import { projectNetworkPolicy } from "../facts/project-policy.ts";
import {
  ADMIN_NETWORK_POLICIES,
  BASELINE_ADMIN_NETWORK_POLICIES,
  CLUSTER_NETWORK_POLICIES,
  NETWORK_POLICIES,
} from "../kube/resources.ts";
import { adminPlaces } from "../policy/admin-priorities.ts";
import { ACL_COLUMNS } from "./columns.ts";
import type { Kind, NorthboundColumns } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly networkPolicies: NetworkPolicyFact;
    readonly adminNetworkPolicies: AdminPolicyFact;
    readonly baselineAdminNetworkPolicies: AdminPolicyFact;
    readonly clusterNetworkPolicies: AdminPolicyFact;
  }
  interface FactIndexes {
    readonly adminNetworkPolicies: "place";
    readonly clusterNetworkPolicies: "place";
  }
}

/** The rows of a policy of any kind. */
const POLICY_ROWS: NorthboundColumns = {
  Port_Group: ["acls"],
  ACL: ACL_COLUMNS,
  Meter: ["name", "unit", "bands", "external_ids"],
  Meter_Band: ["action", "rate", "external_ids"],
};

/** networking.k8s.io/v1 NetworkPolicy. It has no status: problems are reported in Events. */
export const networkPolicyKind: Kind<"networkPolicies"> = {
  facts: "networkPolicies",
  type: NETWORK_POLICIES,
  project: projectNetworkPolicy,
  indexes: {},
  unit: policyUnit("networkpolicy", "networkPolicies"),
  rows: POLICY_ROWS,
  access: { verbs: [], why: "Watched." },
};

/** policy.networking.k8s.io AdminNetworkPolicy. */
export const adminNetworkPolicyKind: Kind<"adminNetworkPolicies"> = {
  facts: "adminNetworkPolicies",
  type: ADMIN_NETWORK_POLICIES,
  absent: "empty",
  project: (object) => projectAdminPolicy("anp", object),
  indexes: { place: adminPlaces },
  unit: policyUnit("adminnetworkpolicy", "adminNetworkPolicies"),
  rows: POLICY_ROWS,
  status: "subresource",
  access: { verbs: [], why: "Watched." },
};

/** policy.networking.k8s.io BaselineAdminNetworkPolicy. */
export const baselineAdminNetworkPolicyKind: Kind<"baselineAdminNetworkPolicies"> = {
  facts: "baselineAdminNetworkPolicies",
  type: BASELINE_ADMIN_NETWORK_POLICIES,
  absent: "empty",
  project: (object) => projectAdminPolicy("banp", object),
  indexes: {},
  unit: policyUnit("baselineadminnetworkpolicy", "baselineAdminNetworkPolicies"),
  rows: POLICY_ROWS,
  status: "subresource",
  access: { verbs: [], why: "Watched." },
};

/** policy.networking.k8s.io ClusterNetworkPolicy. */
export const clusterNetworkPolicyKind: Kind<"clusterNetworkPolicies"> = {
  facts: "clusterNetworkPolicies",
  type: CLUSTER_NETWORK_POLICIES,
  absent: "empty",
  project: (object) => projectAdminPolicy("cnp", object),
  indexes: { place: adminPlaces },
  unit: policyUnit("clusternetworkpolicy", "clusterNetworkPolicies"),
  rows: POLICY_ROWS,
  status: "subresource",
  access: { verbs: [], why: "Watched." },
};
