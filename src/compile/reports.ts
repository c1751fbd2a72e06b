// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import type { PolicyProblem } from "../policy/types.ts";
import type { ConditionEffect, Note, ReportEffect } from "./effects.ts";

/** A condition with warnings appended to its reason and message, and an Event for each; only the first of many. */
export function withNotes(effect: ConditionEffect, all: readonly Note[]): ConditionEffect {
  const notes = all.slice(0, 10);
  const [first] = notes;
  if (first === undefined) return effect;
  const reason = effect.reason === "Ready" ? first.reason : effect.reason;
  const texts = [effect.message, ...notes.map(({ message }) => message)].filter((text) => text !== "");
  if (all.length > notes.length) texts.push(`and ${all.length - notes.length} more`);
  return { ...effect, reason, message: texts.join("; "), notes };
}

/** The effect that reports in one Event which parts of an object cannot be applied; none if all can. */
export function report(about: ReportEffect["about"], problems: readonly PolicyProblem[]): readonly ReportEffect[] {
  const [first] = problems;
  if (first === undefined) return [];
  const key = `report/${about.resource}/${about.uid}`;
  return [{ kind: "report", key, about, reason: first.reason, message: problemText(problems) }];
}

/** An Event of a pod. `id` distinguishes it from the pod's other Events. */
export function reportPod(
  { namespace, name, uid }: Pick<PodFact, "namespace" | "name" | "uid">,
  id: string,
  reason: string,
  message: string,
): ReportEffect {
  const about = { resource: "pods", namespace, name, uid } as const;
  return { kind: "report", key: `report/pods/${uid}/${id}`, about, reason, message };
}

/** The problems of an object in one text; only the first of many: a status has at most 32 KiB and an Event 1 KiB. */
export function problemText(problems: readonly PolicyProblem[]): string {
  const texts = problems.slice(0, 10).map(({ path, message }) => `${path}: ${message}`);
  if (problems.length > 10) texts.push(`and ${problems.length - 10} more`);
  return texts.join("; ");
}
