// SPDX-License-Identifier: Apache-2.0

import type { ServiceFact } from "./service.ts";
import type { FactReader } from "./store.ts";

/**
 * The VIPs of a Service that its SwitchLBRule vouches for. Whoever may write Services of one namespace must not take addresses of the whole VPC, so
 * an annotation alone gives none. A rule with an invalid spec leaves its Service the VIPs that it has.
 */
export function vipsByRule(reader: FactReader, { rule: name, ruleUid, vips }: ServiceFact): readonly string[] {
  if (vips.length === 0 || name === "") return [];
  const rule = reader.get("switchLbRules", name);
  if (rule === undefined || rule.uid !== ruleUid || rule.deleting) return [];
  return rule.problems.length > 0 ? vips : vips.filter((vip) => rule.vips.includes(vip));
}
