// SPDX-License-Identifier: Apache-2.0

import { StabilityError, textOf } from "../errors.ts";
import type { Plugin } from "../plugin.ts";
import { openTarget } from "../targets/open-target.ts";
import type { TargetChoice } from "../targets/target.ts";
import type { UndoJournal } from "./journal.ts";
import { undo } from "./undo.ts";
import { shownStep, type UndoStep } from "./undo-step.ts";

/**
 * Undoes the steps that a killed run has left in the journal, the last first. A step that fails does not stop the others, and is repeated after them: an
 * object can only be deleted once the API server is resumed. Rejects with StabilityError `cleanup` if one failed again (the journal then keeps all, and
 * steps can be repeated), or if the target cannot be opened any more. What the target itself has created in a cluster is removed when it is closed, even if
 * there is no step.
 */
export async function clean(
  journal: UndoJournal,
  targets: readonly Plugin<TargetChoice>[],
  log: (message: string) => void,
): Promise<void> {
  const left = journal.unfinished();
  if (left === undefined) return;
  log(`an earlier run was killed: undoing ${left.steps.length} steps on target ${left.target.name}`);
  const target = await openTarget(targets, left.target).catch((error: unknown): undefined => {
    const message = `the target of an earlier run cannot be opened: ${textOf(error)}`;
    if (left.steps.length > 0) throw new StabilityError("cleanup", message, { cause: error });
    // Then there are no remains of a run either.
    log(message);
    journal.forget();
    return undefined;
  });
  if (target === undefined) return;
  try {
    const failed: UndoStep[] = [];
    for (const { step } of left.steps) {
      log(shownStep(step));
      await undo(target, step).catch((error: unknown) => {
        log(textOf(error));
        failed.push(step);
      });
    }
    const again = await Promise.allSettled(failed.map((step) => undo(target, step)));
    const problem = again.find((result) => result.status === "rejected");
    if (problem !== undefined) throw problem.reason;
    journal.forget();
  } finally {
    await target.close();
  }
}
