// SPDX-License-Identifier: Apache-2.0

import { type EipRuleFact, oldestRule } from "../../facts/nat-rule.ts";
import type { FactReader } from "../../facts/store.ts";

/** The rules that translate sources. */
type SourceRuleKind = "OvnFip" | "OvnSnatRule";

/** A rule that translates the source of packets in an external subnet, for messages; undefined if there is none. `keys`: see {@link olderSourceRule}. */
export function ruleOfTarget(reader: FactReader, subnet: string, keys: readonly string[]): string | undefined {
  const oldest = oldestRule(rulesOfSource(reader, subnet, keys));
  return oldest && `${oldest.kind} "${oldest.name}"`;
}

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
  const oldest = oldestRule(rulesOfSource(reader, reader.get("ovnEips", rule.eip)?.subnet, keys));
  if (oldest === undefined || (oldest.kind === kind && oldest.name === rule.name)) return undefined;
  return `${oldest.kind} "${oldest.name}"`;
}

/** The rules that translate these sources in an external subnet. */
function rulesOfSource(
  reader: FactReader,
  subnet: string | undefined,
  keys: readonly string[],
): readonly (EipRuleFact & { readonly kind: SourceRuleKind })[] {
  const named = (kind: SourceRuleKind, rules: readonly EipRuleFact[]) => rules.map((one) => ({ ...one, kind }));
  return keys
    .flatMap((key) => [
      ...named("OvnFip", reader.by("ovnFips", "target", key)),
      ...named("OvnSnatRule", reader.by("ovnSnatRules", "source", key)),
    ])
    .filter(({ eip }) => reader.get("ovnEips", eip)?.subnet === subnet);
}
