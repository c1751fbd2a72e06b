// SPDX-License-Identifier: Apache-2.0

import type { FactStore } from "../facts/store.ts";
import { compileAll } from "../kinds/compile-all.ts";
import { DerivedFacts } from "../kinds/derived.ts";
import { acceptedPolicy } from "../policy/policy-kinds.ts";
import { reachChanges, type Side } from "../reachability/change.ts";
import { Network } from "../reachability/network.ts";
import { PolicyIndex } from "../reachability/policy-index.ts";
import type { PlanAnswer } from "./contract.ts";
import { PageError } from "./page-error.ts";
import type { PlannedPolicy } from "./plan-manifest.ts";

const MAX_CHANGES = 500;

/** What is done with the policies of a plan. */
export type PlanVerb = "apply" | "remove";

/**
 * Who gains or loses reach when policies are applied or removed, of the pods of some namespaces. `facts`: a copy of the controller's, which is changed. Two compilations of everything: seconds of
 * CPU at 5,000 pods. Throws a `PageError`.
 */
export function planAnswer(
  facts: FactStore,
  policies: readonly PlannedPolicy[],
  maySee: (namespace: string) => boolean,
  verb: PlanVerb = "apply",
): PlanAnswer {
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  const before = side(facts);
  const pods = facts.all("pods").filter(({ namespace }) => maySee(namespace));
  const hidden = pods.length < facts.size("pods");
  for (const policy of policies) {
    if (verb === "apply") setPolicy(facts, policy);
    else removePolicy(facts, policy);
  }
  const { changes, totals } = reachChanges(before, side(facts), pods);
  const notes = verb === "apply" ? policies.flatMap((policy) => problemsOf(facts, policy)) : [];
  return {
    changes: changes.slice(0, MAX_CHANGES),
    more: Math.max(0, changes.length - MAX_CHANGES),
    totals,
    notes: [
      ...notes,
      "the API server was not asked whether it accepts this",
      ...(hidden ? ["pods of namespaces that this account may not see are not among the pairs"] : []),
    ],
  };
}

function setPolicy(facts: FactStore, { kind, fact, label }: PlannedPolicy): void {
  try {
    // The manifest's reader ties each kind to its own fact.
    facts.set(kind, fact.key, fact as never);
    if (kind !== "securityGroups") acceptedPolicy(facts, kind, fact.key);
  } catch (cause) {
    // The API server would refuse it: a list where an object is to be, and the like.
    throw new PageError("invalid", `${label}: its spec is malformed: ${String(cause)}`, { cause });
  }
}

function removePolicy(facts: FactStore, { kind, fact: { key }, label }: PlannedPolicy): void {
  if (facts.get(kind, key) === undefined) throw new PageError("not-found", `${label} does not exist`);
  facts.set(kind, key, undefined);
}

function problemsOf(facts: FactStore, { kind, fact, label }: PlannedPolicy): readonly string[] {
  const problems =
    kind === "securityGroups"
      ? (facts.get(kind, fact.key)?.problems ?? [])
      : (acceptedPolicy(facts, kind, fact.key)?.problems ?? []);
  return problems.map(({ path, message }) => `${label}: ${path}: ${message}`);
}

/** What follows from the facts now. It reads policies only while it is made. */
function side(facts: FactStore): Side {
  return { network: new Network(facts, compileAll(facts).values()), book: new PolicyIndex(facts) };
}
