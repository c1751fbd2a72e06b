// SPDX-License-Identifier: Apache-2.0

import { type EipRuleFact, oldestRule } from "../../facts/nat-rule.ts";
import type { FactReader } from "../../facts/store.ts";

/** The rules that translate sources. */
type SourceRuleKind = "OvnFip" | "OvnSnatRule";

/**
 * An older rule that translates the source of the same packets in the external subnet of this rule's OvnEip, for
 * messages; undefined if there is none. northd gives both the same priority, so either could apply.
 * @param keys of the indexes by which rules with the same addresses are found.
 */
export function olderSourceRule(
  reader: FactReader,
  kind: SourceRuleKind,
  rule: EipRuleFact,
  keys: readonly string[],
): string | undefined {
  const subnet = reader.get("ovnEips", rule.eip)?.subnet;
  const named = (kind: SourceRuleKind, rules: readonly EipRuleFact[]) => rules.map((one) => ({ ...one, kind }));
  const same = keys
    .flatMap((key) => [
      ...named("OvnFip", reader.by("ovnFips", "target", key)),
      ...named("OvnSnatRule", reader.by("ovnSnatRules", "source", key)),
    ])
    .filter(({ eip }) => reader.get("ovnEips", eip)?.subnet === subnet);
  const oldest = oldestRule(same);
  if (oldest === undefined || (oldest.kind === kind && oldest.name === rule.name)) return undefined;
  return `${oldest.kind} "${oldest.name}"`;
}
