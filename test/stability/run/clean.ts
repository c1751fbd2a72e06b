// SPDX-License-Identifier: Apache-2.0

import { asStabilityError, StabilityError, textOf } from "../errors.ts";
import { find, type Plugin } from "../plugin.ts";
import type { TargetChoice } from "../targets/target.ts";
import type { Journal } from "./journal.ts";
import { undo } from "./undo.ts";
import { shownStep, type UndoStep } from "./undo-step.ts";

/**
 * Undoes what a run that was killed has left in the journal, the last first. A step that fails does not stop the others, and is repeated after them: an
 * object can only be deleted once the API server is resumed. Rejects with StabilityError `cleanup` where one failed again (the journal then keeps all, and
 * steps can be repeated), or where the target cannot be opened any more.
 */
export async function clean(
  journal: Journal,
  targets: readonly Plugin<TargetChoice>[],
  log: (message: string) => void,
): Promise<void> {
  const left = journal.unfinished();
  if (left === undefined) return;
  log(`an earlier run was killed: undoing ${left.steps.length} steps on target ${left.target.name}`);
  const found = find(targets, "target", left.target.name);
  const configured = found.ok ? found.value.configure(left.target.options) : found;
  if (!configured.ok)
    throw new StabilityError(
      "cleanup",
      `the target of an earlier run cannot be opened: ${configured.issues[0]?.message}`,
    );
  const target = await configured.value.open().catch((error: unknown) => {
    throw asStabilityError("cleanup", "the target of an earlier run cannot be opened", error);
  });
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
