// SPDX-License-Identifier: Apache-2.0

import type { FactKind, FactTypes } from "../../facts/types.ts";
import { factStore } from "../../kinds/store.ts";
import { PageError } from "../../page/page-error.ts";
import { planAnswer } from "../../page/plan.ts";
import type { PlanInput, PlanOutput } from "./plan-messages.ts";

/** Makes one plan for the process that has started this one, and resolves when it has the answer, or is gone. */
export function answerPlan(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const facts = factStore();
  process.on("disconnect", resolve);
  process.on("message", (message) => {
    // Its only sender is the controller, of the same program.
    const input = message as PlanInput;
    if (input.kind === "facts") {
      for (const [kind, fact] of input.facts) facts.set(kind, fact.key, fact as FactTypes[FactKind] as never);
      return;
    }
    const { policies, namespaces } = input;
    const seen = namespaces && new Set(namespaces);
    let output: PlanOutput;
    try {
      const answer = planAnswer(facts, policies, (namespace) => seen?.has(namespace) !== false);
      output = { kind: "answer", answer };
    } catch (error) {
      const code = error instanceof PageError ? error.code : "internal";
      output = { kind: "refused", code, message: error instanceof Error ? error.message : String(error) };
    }
    process.send?.(output, () => process.disconnect());
  });
  return promise;
}
