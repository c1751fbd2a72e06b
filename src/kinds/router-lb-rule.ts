// SPDX-License-Identifier: Apache-2.0

import { portKey } from "../compile/nat/eip-exclusion.ts";
import { routerLbRuleUnit } from "../compile/service/router-lb-rule.ts";
import { projectRouterLbRule, type RouterLbRuleFact } from "../facts/router-lb-rule.ts";
import { POLICY_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly routerLbRules: RouterLbRuleFact;
  }
  interface FactIndexes {
    readonly routerLbRules: "eip" | "port";
  }
}

/** kubeovn.io/v1 RouterLBRule. */
export const routerLbRuleKind: Kind<"routerLbRules"> = {
  facts: "routerLbRules",
  type: { group: "kubeovn.io", version: "v1", plural: "router-lb-rules", namespaced: false, kind: "RouterLBRule" },
  project: projectRouterLbRule,
  indexes: {
    eip: ({ eip }) => [eip],
    port: ({ eip, balanced }) => (balanced?.ports ?? []).map(({ protocol, port }) => portKey({ eip, protocol, port })),
  },
  unit: routerLbRuleUnit,
  rows: {
    Load_Balancer: ["name", "protocol", "vips", "selection_fields", "options", "external_ids"],
    Load_Balancer_Group: ["load_balancer"],
    Logical_Router: ["load_balancer", "policies"],
    Logical_Router_Policy: POLICY_COLUMNS,
  },
  status: "subresource",
  access: { verbs: ["patch"], why: "Watched; finalizers are patched, and each creates a Service." },
};
