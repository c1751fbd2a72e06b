// SPDX-License-Identifier: Apache-2.0

import { routerRuleKey } from "../api/names.ts";
import { routerLbRuleUnit } from "../compile/service/router-lb-rule.ts";
import { switchLbRuleUnit } from "../compile/service/switch-lb-rule.ts";
import { projectSwitchLbRule } from "../facts/project-switch-lb-rule.ts";
import type { SwitchLbRuleFact } from "../facts/switch-lb-rule.ts";
import type { RuleOwnedFact } from "../facts/vip-service.ts";
import type { Kind, Root } from "./kind.ts";
import { rootsOfDns } from "./vpc-dns.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly switchLbRules: SwitchLbRuleFact;
  }
  interface FactIndexes {
    readonly switchLbRules: "dns";
  }
}

/** kubeovn.io/v1 SwitchLBRule. */
export const switchLbRuleKind: Kind<"switchLbRules"> = {
  facts: "switchLbRules",
  type: { group: "kubeovn.io", version: "v1", plural: "switch-lb-rules", namespaced: false, kind: "SwitchLBRule" },
  project: projectSwitchLbRule,
  indexes: { dns: ({ dns }) => (dns === "" ? [] : [dns]) },
  unit: switchLbRuleUnit,
  roots: (old, now) => [{ kind: switchLbRuleUnit.name, key: (now ?? old)?.key ?? "" }, ...rootsOfDns(old, now)],
  status: "subresource",
  access: { verbs: ["create", "patch", "delete"], why: "Watched; each creates a Service. VpcDns objects create some." },
};

/** The rules that have created an object: objects of a deleted rule are deleted. */
export function rootsOfRules(old: RuleOwnedFact | undefined, now: RuleOwnedFact | undefined): readonly Root[] {
  const rules = [old, now].flatMap((one) => (one === undefined || one.rule === "" ? [] : [one.rule]));
  const router = routerRuleKey("");
  return [...new Set(rules)].map((key) =>
    key.startsWith(router)
      ? { kind: routerLbRuleUnit.name, key: key.slice(router.length) }
      : { kind: switchLbRuleUnit.name, key },
  );
}
