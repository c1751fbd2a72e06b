// SPDX-License-Identifier: Apache-2.0

/** One step and how to roll it back. */
interface Step {
  readonly what: string;
  readonly undo: () => Promise<void>;
}

/**
 * What a request has created so far. If an ADD fails, `addPod` in `add.ts` has all steps rolled back, last first; a step that cannot be rolled
 * back is reported, and the others are still rolled back.
 */
export class Undo {
  readonly #steps: Step[] = [];

  /** Registers a step before it is tried, because a step that fails half-way may have created something. */
  push(what: string, undo: () => Promise<void>): void {
    this.#steps.push({ what, undo });
  }

  /** Rolls everything back and returns the failures. Never throws. */
  async run(): Promise<readonly { readonly what: string; readonly error: unknown }[]> {
    const failures: { what: string; error: unknown }[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        failures.push({ what: step.what, error });
      }
    }
    return failures;
  }
}
