// SPDX-License-Identifier: Apache-2.0

import { Command, InvalidArgumentError } from "commander";
import { replay, scriptIn, search, showTrace } from "./commands.ts";
import { EXTRAS, type Extra, USUAL } from "./extra-actions.ts";
import { MUTATIONS } from "./mutations.ts";
import { DEFAULT_JOBS } from "./pool.ts";
import type { Script } from "./script.ts";

/** The options of the command line. */
interface Options {
  readonly seeds: number;
  readonly firstSeed: number;
  readonly jobs: number;
  readonly mutation?: string;
  readonly with: readonly Extra[];
  readonly trace: boolean;
  readonly replay?: Script;
  readonly minimise: boolean;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("must be a positive integer.");
  return value;
}

function mutationName(text: string): string {
  if (text !== "all" && !MUTATIONS.some((mutation) => mutation.name === text)) {
    throw new InvalidArgumentError(`must be one of: all, ${MUTATIONS.map((mutation) => mutation.name).join(", ")}.`);
  }
  return text;
}

function extrasOf(text: string): readonly Extra[] {
  const names = text.split(",");
  const extras = EXTRAS.filter((extra) => names.includes(extra));
  if (extras.length < names.length) throw new InvalidArgumentError(`must be one of: ${EXTRAS.join(", ")}.`);
  return [...new Set([...USUAL, ...extras])];
}

const mutations = MUTATIONS.map(({ name, bug }) => `  ${name.padEnd(24)}${bug}`).join("\n");

const program = new Command("npm run sim --")
  .description(
    "Deterministic simulation: runs the real controller in a simulated cluster with injected faults, once for each seed. Time, message order and random choices depend only on the seed, so failures are reproducible. The script of a failure is shortened and printed.",
  )
  .option("--seeds <n>", "number of seeds", wholeNumber, 100)
  .option("--first-seed <s>", "first seed", wholeNumber, 1)
  .option("--jobs <n>", "number of parallel runs", wholeNumber, DEFAULT_JOBS)
  .option("--trace", "run only the first seed, and print its trace", false)
  .option(
    "--replay <file>",
    "run the script in a file (dist/sim/SEED.json of a failure), and print its trace",
    scriptIn,
  )
  .option("--no-minimise", "do not shorten the scripts of failures")
  .option("--with <extras>", `extra actions in the scripts, one or more of: ${EXTRAS.join(", ")}`, extrasOf, USUAL)
  .option(
    "--mutation <name>",
    "mutation test: add a bug to the controller, and succeed if a violation is found",
    mutationName,
  )
  .addHelpText(
    "after",
    `
Examples:
  npm run sim -- --seeds 20
  npm run sim -- --first-seed 7 --trace
  npm run sim -- --replay dist/sim/7.json`,
  )
  .addHelpText("after", `\nMutations:\n${mutations}\n  ${"all".padEnd(24)}each of them, one after the other`)
  .action(async ({ seeds, firstSeed, jobs, mutation, with: extras, trace, replay: script, minimise }: Options) => {
    const range = { first: firstSeed, count: seeds, jobs, minimise, extras };
    let good: boolean;
    if (script !== undefined) good = await replay(script, mutation);
    else if (trace) good = await showTrace(firstSeed, extras, mutation);
    else if (mutation === undefined) good = await search(range);
    else {
      good = true;
      for (const name of mutation === "all" ? MUTATIONS.map((one) => one.name) : [mutation]) {
        if (await search({ ...range, mutation: name })) good = false;
      }
    }
    process.exitCode = good ? 0 : 1;
  });
program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 2;
});
