// SPDX-License-Identifier: Apache-2.0

import type { NetworkPolicyFact } from "../../facts/network-policy.ts";
import type { FactKind, FactTypes } from "../../facts/types.ts";
import type { ApiErrorCode, PlanAnswer } from "../../page/contract.ts";

/** The hidden command of weft-controller that makes one plan for its parent. */
export const PLAN_COMMAND = "answer-plan";

/** What the process that makes a plan is told: all facts in parts, then the question. */
export type PlanInput =
  | { readonly kind: "facts"; readonly facts: readonly (readonly [FactKind, FactTypes[FactKind]])[] }
  | {
      readonly kind: "question";
      readonly policies: readonly NetworkPolicyFact[];
      /** Names of namespaces; absent: all. */
      readonly namespaces?: readonly string[];
    };

/** What it answers. */
export type PlanOutput =
  | { readonly kind: "answer"; readonly answer: PlanAnswer }
  | { readonly kind: "refused"; readonly code: ApiErrorCode; readonly message: string };
