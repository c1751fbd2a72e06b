// SPDX-License-Identifier: Apache-2.0

import { changeOf, type Derivation } from "../../facts/derivation.ts";

/**
 * The fact `policyUse` of subnets: whether any subnet has rules, so that nodes need rules of their own to reach their
 * pods.
 */
export const subnetPolicyUse: Derivation<"policyUse"> = {
  kind: "policyUse",
  keys: () => ["subnets"],
  changedBy: (change) => (changeOf("subnets", change) ? ["subnets"] : []),
  // A subnet that could not be read may have rules in the database.
  derive: (facts) => {
    const any = facts.has("subnets", "rules", "any") || facts.unread("subnets").length > 0;
    return any ? { key: "subnets", any } : undefined;
  },
};
