// SPDX-License-Identifier: Apache-2.0

import type { CodeMutation } from "./code-mutation.ts";
import { DEFAULT_JOBS, type Job, runAll } from "./pool.ts";
import { seedsWith } from "./seeds.ts";

/** A seed in which a mutation was found, and the first violation. */
export interface FoundMutation {
  readonly seed: number;
  readonly violation: string;
}

/** Looks for mutations: first for each in the seed that is known to show it, on all processors. A run ends with its first violation. */
export class MutationSearch {
  readonly #mutations: readonly CodeMutation[];
  readonly #patience: number;
  #shown: Promise<ReadonlyMap<string, FoundMutation>> | undefined;

  /** `patience`: the number of seeds in which a mutation is looked for, from the known one on. */
  constructor(mutations: readonly CodeMutation[], patience: number) {
    this.#mutations = mutations;
    this.#patience = patience;
  }

  /** Where one of the mutations was found; undefined if it was not. */
  async find({ name, shown, extras = [] }: CodeMutation): Promise<FoundMutation | undefined> {
    this.#shown ??= run(this.#mutations.map((mutation) => jobOf(mutation, mutation.shown)));
    const known = (await this.#shown).get(name);
    if (known !== undefined) return known;
    const others = seedsWith(extras, shown + 1, this.#patience - 1).map((seed) => jobOf({ name, extras }, seed));
    return (await run(others, 1)).get(name);
  }
}

function jobOf({ name, extras = [] }: Pick<CodeMutation, "name" | "extras">, seed: number): Job {
  return { seed, extras, mutation: name, untilViolation: true };
}

/** Runs jobs until so many mutations are found. */
async function run(
  jobs: readonly Job[],
  wanted = Number.POSITIVE_INFINITY,
): Promise<ReadonlyMap<string, FoundMutation>> {
  const found = new Map<string, FoundMutation>();
  await runAll(jobs, DEFAULT_JOBS, ({ job: { seed, mutation = "" }, outcome: { violations } }) => {
    const [violation] = violations;
    if (violation !== undefined && !found.has(mutation)) found.set(mutation, { seed, violation });
    return found.size < wanted;
  });
  return found;
}
