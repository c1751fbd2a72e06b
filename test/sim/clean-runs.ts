// SPDX-License-Identifier: Apache-2.0

import { type Extra, USUAL } from "./extra-actions.ts";
import { generateScript } from "./generate.ts";
import type { Done } from "./pool.ts";
import { runScript } from "./run.ts";

/** The runs without a mutation that had no violation. Runs are deterministic, so none of them is repeated. */
export class CleanRuns {
  readonly #known = new Set<string>();

  /** Notes how a run of a seed ended. */
  add({ job: { seed, extras = USUAL, mutation }, outcome }: Done): void {
    if (mutation === undefined && outcome.violations.length === 0) this.#known.add(keyOf(seed, extras));
  }

  /** The violations of a seed without a mutation. */
  async violations(seed: number, extras: readonly Extra[]): Promise<readonly string[]> {
    if (this.#known.has(keyOf(seed, extras))) return [];
    return (await runScript(generateScript(seed, extras))).violations;
  }
}

function keyOf(seed: number, extras: readonly Extra[]): string {
  return `${seed} ${extras.join()}`;
}
