// SPDX-License-Identifier: Apache-2.0

import { samplePoint } from "../api/sampling.ts";
import type { Fragment } from "../desired/fragment.ts";

/** The rule of an ACL that decides about sampled connections. */
export interface FlowRule {
  readonly verdict: "allowed" | "dropped";
  /** Whether it is of the sending or of the receiving end. */
  readonly at: "egress" | "ingress";
  /** As its ACL names it: `np/<namespace>/<name>`. */
  readonly policy: string;
  readonly rule: string;
}

/** Observation point (`SampledFlow.point`) → the rules with that number; more than one where digests of ACLs are equal. */
export type FlowRules = ReadonlyMap<number, readonly FlowRule[]>;

/** What several rules with one number say together. */
export interface FlowDecision {
  /** `unknown`: the rule is gone, or they differ. */
  readonly verdict: "allowed" | "dropped" | "unknown";
  readonly at?: "egress" | "ingress";
  /** Those of all, with `|` between. */
  readonly policy?: string;
  readonly rule?: string;
}

/** Fragments are immutable: the digests of one are computed once. */
const KNOWN = new WeakMap<object, readonly (readonly [number, FlowRule])[]>();

/** The rules of the ACLs in compiled units. */
export function flowRules(fragments: Iterable<Pick<Fragment, "rows">>): FlowRules {
  const all = new Map<number, readonly FlowRule[]>();
  for (const { rows } of fragments) {
    let found = KNOWN.get(rows);
    if (found === undefined) {
      found = rulesOf(rows);
      KNOWN.set(rows, found);
    }
    for (const [point, rule] of found) all.set(point, [...(all.get(point) ?? []), rule]);
  }
  return all;
}

/** What the rules with one number say. */
export function decisionOf(rules: readonly FlowRule[] = []): FlowDecision {
  const [first, ...others] = rules;
  if (first === undefined) return { verdict: "unknown" };
  return {
    verdict: others.every(({ verdict }) => verdict === first.verdict) ? first.verdict : "unknown",
    ...(others.every(({ at }) => at === first.at) && { at: first.at }),
    policy: rules.map(({ policy }) => policy).join("|"),
    rule: rules.map(({ rule }) => rule).join("|"),
  };
}

function rulesOf(rows: Fragment["rows"]): readonly (readonly [number, FlowRule])[] {
  return rows.flatMap(({ table, label, columns }): readonly (readonly [number, FlowRule])[] => {
    const ids = columns["external_ids"];
    if (table !== "ACL" || typeof ids !== "object" || Array.isArray(ids)) return [];
    const { policy = "", rule = "" } = ids as Readonly<Record<string, string>>;
    if (policy === "") return [];
    const verdict = String(columns["action"]).startsWith("allow") ? "allowed" : "dropped";
    const at = columns["direction"] === "to-lport" ? "ingress" : "egress";
    return [[samplePoint(label), { verdict, at, policy, rule }]];
  });
}
