// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../api/annotations.ts";
import type { RouterLBRuleSpec } from "../api/generated/routerlbrule.ts";
import type { ProjectedMeta } from "./meta.ts";
import { type EipRuleFact, natRuleFields } from "./nat-rule.ts";
import { readBalanced } from "./project-switch-lb-rule.ts";
import type { ProblemFact } from "./service.ts";
import type { RuleServiceFact } from "./vip-service.ts";

/** One RouterLBRule. */
export interface RouterLbRuleFact extends EipRuleFact {
  readonly vpc: string;
  /** Its Service, as far as the spec decides it: annotations and families follow from the OvnEip. Absent if the spec is invalid. */
  readonly balanced?: Omit<RuleServiceFact, "annotations" | "families"> & { readonly namespace: string };
  /** Addresses of the endpoints, sorted; empty if the Service selects pods. */
  readonly endpoints: readonly string[];
  /** `spec.selector` is set but ignored because of `spec.endpoints`. */
  readonly selectorUnused: boolean;
  /** The invalid parts of the spec. */
  readonly problems: readonly ProblemFact[];
}

/** What {@link projectRouterLbRule} reads of a RouterLBRule. */
export interface RouterLbRuleObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: RouterLBRuleSpec;
}

/** The fact of a RouterLBRule. */
export function projectRouterLbRule({ metadata, spec = {} }: RouterLbRuleObject): RouterLbRuleFact {
  const problems: ProblemFact[] = [];
  const { endpoints, selectorUnused, ...balanced } = readBalanced(spec, problems);
  return {
    ...natRuleFields(metadata, spec.ovnEip),
    vpc: spec.vpc ?? "",
    ...(problems.length === 0 && { balanced }),
    endpoints,
    selectorUnused,
    problems,
  };
}

/** The annotations of the Service of a rule, as in Kube-OVN. */
export function routerRuleAnnotations(vpc: string, addresses: readonly string[]): Readonly<Record<string, string>> {
  return { [SERVICE.routerLbVip]: addresses.join(","), [SERVICE.logicalRouter]: vpc };
}
