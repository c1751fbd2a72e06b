// SPDX-License-Identifier: Apache-2.0

/** One thing that was made, and how to take it back. */
interface Step {
  readonly what: string;
  readonly undo: () => Promise<void>;
}

/**
 * What a request has created so far. On failure everything is rolled back, last first; a step that cannot be rolled back is
 * reported and does not keep the others from it.
 */
export class Undo {
  readonly #steps: Step[] = [];

  /** Registers a step before it is tried: a step that failed half-way may have made something too. */
  push(what: string, undo: () => Promise<void>): void {
    this.#steps.push({ what, undo });
  }

  /** Takes everything back and returns what could not be. Never throws. */
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
