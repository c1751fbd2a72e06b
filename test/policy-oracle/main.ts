// SPDX-License-Identifier: Apache-2.0

import { Command } from "commander";
import fc from "fast-check";
import type { OracleWorld } from "./api.ts";
import { disagreement } from "./compare.ts";
import { type Conditions, conditions, firstFault } from "./expand.ts";
import { anyPolicyWorlds, networkPolicyWorlds } from "./generate.ts";
import { anyPolicySteps, networkPolicySteps, type WorldStep } from "./steps.ts";
import { tiedDisagreement, tiedWorlds } from "./ties.ts";

/** A check: a property of generated values, which returns a fault, if any. */
interface Check<T> {
  readonly values: fc.Arbitrary<T>;
  readonly fault: (value: T) => string | undefined | Promise<string | undefined>;
}

const CHECKS = {
  networkpolicy: { values: networkPolicyWorlds, fault: disagreement } satisfies Check<OracleWorld>,
  ties: { values: tiedWorlds, fault: tiedDisagreement } satisfies Check<OracleWorld>,
  all: { values: anyPolicyWorlds, fault: disagreement } satisfies Check<OracleWorld>,
  "all-steps": {
    values: fc.tuple(anyPolicySteps, conditions),
    fault: ([steps, circumstances]) => firstFault(steps, circumstances),
  } satisfies Check<[readonly WorldStep[], Conditions]>,
  "networkpolicy-steps": {
    values: fc.tuple(networkPolicySteps, conditions),
    fault: ([steps, circumstances]) => firstFault(steps, circumstances),
  } satisfies Check<[readonly WorldStep[], Conditions]>,
};

async function check<T>(name: string, { values, fault }: Check<T>, runs: number, seed: number): Promise<void> {
  const started = performance.now();
  const property = fc.asyncProperty(values, async (value) => {
    const found = await fault(value);
    if (found !== undefined) throw new Error(found);
  });
  const result = await fc.check(property, { numRuns: runs, seed });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${name}: ${result.numRuns} in ${seconds} s, seed ${seed}: ${result.failed ? "a fault" : "none has a fault"}`,
  );
  if (!result.failed) return;
  process.exitCode = 1;
  console.log(result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance));
  console.log(JSON.stringify(result.counterexample?.[0]));
}

async function main(options: {
  readonly runs: string;
  readonly seed?: string;
  readonly check?: string;
}): Promise<void> {
  const seed = options.seed === undefined ? Date.now() & 0x7fff_ffff : Number(options.seed);
  for (const [name, one] of Object.entries(CHECKS)) {
    // Each run of steps checks many states.
    const runs = Math.ceil(Number(options.runs) / (name.endsWith("-steps") ? 4 : 1));
    if (options.check === undefined || options.check === name) await check(name, one as Check<unknown>, runs, seed);
  }
}

new Command("policies")
  .description(
    "Compares the ACLs of generated clusters with the specifications, pair by pair; and takes clusters through changes, asking at each instant that nothing is open that may not be.",
  )
  .option("--runs <number>", "how many clusters of each kind; a quarter as many are taken through changes", "1000")
  .option("--seed <number>", "of the generator; the time, if not given")
  .option("--check <name>", `one of ${Object.keys(CHECKS).join(", ")}; all, if not given`)
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
