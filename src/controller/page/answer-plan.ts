// SPDX-License-Identifier: Apache-2.0

import { writeFile } from "node:fs/promises";
import { setPriority } from "node:os";
import type { FactKind, FactTypes } from "../../facts/types.ts";
import { factStore } from "../../kinds/store.ts";
import { PageError } from "../../page/page-error.ts";
import { type PlanVerb, planAnswer } from "../../page/plan.ts";
import { type PlannedPolicy, policiesIn } from "../../page/plan-manifest.ts";
import type { PlanInput, PlanOutput } from "./plan-messages.ts";

const NICENESS = 10;

/** Makes one plan for the process that has started this one, and resolves when it has the answer, or is gone. */
export function answerPlan(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // The controller goes first where both have work, and stays where memory is short.
  setPriority(NICENESS);
  writeFile("/proc/self/oom_score_adj", "1000").catch(() => undefined);
  const facts = factStore();
  let maySee: (namespace: string) => boolean = () => false;
  let policies: readonly PlannedPolicy[] = [];
  let verb: PlanVerb = "apply";
  const answer = (input: PlanInput): PlanOutput | undefined => {
    switch (input.kind) {
      case "question": {
        const seen = input.namespaces && new Set(input.namespaces);
        maySee = (namespace) => seen?.has(namespace) !== false;
        const { manifest, namespace } = input;
        policies = policiesIn(manifest, { namespace, maySee, seesCluster: seen === undefined });
        ({ verb } = input);
        return { kind: "accepted" };
      }
      case "facts":
        for (const [kind, fact] of input.facts) facts.set(kind, fact.key, fact as FactTypes[FactKind] as never);
        return undefined;
      case "compute":
        return { kind: "answer", answer: planAnswer(facts, policies, maySee, verb) };
    }
  };
  process.on("disconnect", resolve);
  process.on("message", (message) => {
    let output: PlanOutput | undefined;
    try {
      // Its only sender is the controller, of the same program.
      output = answer(message as PlanInput);
    } catch (error) {
      const code = error instanceof PageError ? error.code : "internal";
      output = { kind: "refused", code, message: error instanceof Error ? error.message : String(error) };
    }
    if (output?.kind === "accepted") process.send?.(output);
    else if (output !== undefined) process.send?.(output, () => process.disconnect());
  });
  return promise;
}
