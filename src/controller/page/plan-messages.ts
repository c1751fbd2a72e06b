// SPDX-License-Identifier: Apache-2.0

import type { FactKind, FactTypes } from "../../facts/types.ts";
import type { ApiErrorCode, PlanAnswer } from "../../page/contract.ts";
import type { PlanVerb } from "../../page/plan.ts";

/** The hidden command of weft-controller that makes one plan for its parent. */
export const PLAN_COMMAND = "answer-plan";

/** What the process that makes a plan is told: the question, and if it accepts it, all facts in parts, then that these are all. */
export type PlanInput =
  | {
      readonly kind: "question";
      readonly verb: PlanVerb;
      /** As the client has sent it: the controller itself does not parse it. */
      readonly manifest: string;
      /** Of policies without one. */
      readonly namespace: string;
      /** Those that are visible; absent: all. */
      readonly namespaces?: readonly string[];
    }
  | { readonly kind: "facts"; readonly facts: readonly (readonly [FactKind, FactTypes[FactKind]])[] }
  | { readonly kind: "compute" };

/** What it answers: `accepted`, then one of the others, or a refusal at once. */
export type PlanOutput =
  | { readonly kind: "accepted" }
  | { readonly kind: "answer"; readonly answer: PlanAnswer }
  | { readonly kind: "refused"; readonly code: ApiErrorCode; readonly message: string };
