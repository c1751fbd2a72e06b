// SPDX-License-Identifier: Apache-2.0

import type { ServiceFact } from "./service.ts";
import type { FactReader } from "./store.ts";

/**
 * The VIPs of a Service that its SwitchLBRule confirms. A user who may write Services of one namespace must not take addresses of the whole VPC, so
 * the annotation alone is ignored. If the spec of the rule is invalid, its Service keeps its VIPs.
 */
export function vipsByRule(reader: FactReader, { rule: name, ruleUid, vips }: ServiceFact): readonly string[] {
  if (vips.length === 0 || name === "") return [];
  const rule = reader.get("switchLbRules", name);
  if (rule === undefined || rule.uid !== ruleUid || rule.deleting) return [];
  return rule.problems.length > 0 ? vips : vips.filter((vip) => rule.vips.includes(vip));
}
