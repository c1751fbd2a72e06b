// SPDX-License-Identifier: Apache-2.0

import { Command } from "commander";
import fc from "fast-check";
import { faultsOf } from "./check.ts";
import { type Edit, histories, historyText } from "./edits.ts";

interface Options {
  readonly runs: string;
  readonly seed?: string;
  readonly length: string;
  readonly shrink: boolean;
  readonly trace: boolean;
}

/** How long a failing history is shortened, in ms. */
const SHRINK_MS = 120_000;

async function main({ runs, seed, length, shrink, trace }: Options): Promise<void> {
  const first = seed === undefined ? Date.now() & 0x7fff_ffff : Number(seed);
  const started = performance.now();
  let failed = 0;
  for (let one = first; one < first + Number(runs); one++) {
    const property = fc.asyncProperty(histories(Number(length)), async (history) => {
      const [fault] = await faultsOf(history, undefined, trace ? console.log : undefined);
      if (fault !== undefined) throw new Error(fault);
    });
    const result = await fc.check(property, {
      seed: one,
      numRuns: 1,
      endOnFailure: !shrink,
      interruptAfterTimeLimit: SHRINK_MS,
    });
    if (!result.failed) continue;
    failed++;
    const [history] = result.counterexample as [readonly Edit[]];
    const all = await faultsOf(history);
    console.log(`seed ${one}:\n${all.slice(0, 12).join("\n")}\n${historyText(history)}\n`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${runs} histories from seed ${first} on in ${seconds} s: ${failed} have faults`);
  if (failed > 0) process.exitCode = 1;
}

new Command("histories")
  .description(
    "Edits of random objects, valid and invalid, and restarts of the controller, in simulated time. After each history: a fresh controller writes nothing, and makes the same rows in an empty database; no transaction was refused; what is deleted leaves nothing. A history with a fault is shortened and printed.",
  )
  .option("--runs <number>", "how many histories, each with a seed of its own", "100")
  .option("--seed <number>", "the first seed; the time, if not given")
  .option("--length <number>", "edits in a history, at most", "40")
  .option("--no-shrink", "do not shorten histories with a fault")
  .option("--trace", "print what happens in each history", false)
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
