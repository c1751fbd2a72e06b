// SPDX-License-Identifier: Apache-2.0

import { EXTRAS, type Extra } from "../../test/sim/extra-actions.ts";

/** A command and its arguments. */
export type CommandLine = readonly [string, ...string[]];

/** How many seeds with an extra are run; those of external networks have the most kinds of objects. */
const WITH: Readonly<Record<Extra, number>> = {
  ...{ throws: 40, hostile: 40, nodes: 40, tenants: 40, chassis: 40, bfd: 40, clocks: 40 },
  nat: 200,
};

/** What the release tier generates beyond what `npm test` has run, by title: the first seeds are those after it (`SEEDS` and `EXTRA_SEEDS` in `test/sim`). */
export const MORE_SEEDS: Readonly<Record<string, CommandLine>> = {
  "policies by the thousand": ["node", "test/policy-oracle/main.ts", "--runs", "4000"],
  "more histories": ["node", "test/histories/main.ts", "--seed", "1", "--runs", "150"],
  "more seeds": seeds(46, 475),
  ...Object.fromEntries(EXTRAS.map((extra) => [`more seeds with ${extra}`, seeds(13, WITH[extra], "--with", extra)])),
};

function seeds(first: number, count: number, ...more: readonly string[]): CommandLine {
  return ["node", "test/sim/main.ts", "--first-seed", String(first), "--seeds", String(count), ...more];
}
