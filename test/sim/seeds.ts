// SPDX-License-Identifier: Apache-2.0

import type { Extra } from "./extra-actions.ts";
import { generateScript } from "./generate.ts";

/**
 * Of so many seeds from `first` on those whose scripts have something of the extras. The others' scripts are those without extras, which have runs of
 * their own.
 */
export function seedsWith(extras: readonly Extra[], first: number, count: number): readonly number[] {
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  const actions = (seed: number, of?: readonly Extra[]): number => generateScript(seed, of).actions.length;
  return extras.length === 0 ? seeds : seeds.filter((seed) => actions(seed, extras) > actions(seed));
}

/** The seeds that `nat.test.ts` runs with external networks. `sim.test.ts` does not run them without: the scripts have the same actions and more. */
export const NAT_SEEDS: readonly number[] = seedsWith(["nat"], 1, 12);
