// SPDX-License-Identifier: Apache-2.0

import { Command, InvalidArgumentError } from "commander";
import { replay, search, showTrace } from "./commands.ts";
import { EXTRAS, type Extra, USUAL } from "./extras.ts";
import { PLANTS } from "./plants.ts";
import { DEFAULT_JOBS } from "./pool.ts";

/** The options as commander hands them over. */
interface Options {
  readonly seeds: number;
  readonly firstSeed: number;
  readonly jobs: number;
  readonly plant?: string;
  readonly with: readonly Extra[];
  readonly trace: boolean;
  readonly replay?: string;
  readonly minimise: boolean;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("a whole number from 1 on is wanted.");
  return value;
}

function plantName(text: string): string {
  if (text !== "all" && !PLANTS.some((plant) => plant.name === text)) {
    throw new InvalidArgumentError(`there are: all, ${PLANTS.map((plant) => plant.name).join(", ")}.`);
  }
  return text;
}

function extrasOf(text: string): readonly Extra[] {
  const names = text.split(",");
  const extras = EXTRAS.filter((extra) => names.includes(extra));
  if (extras.length < names.length) throw new InvalidArgumentError(`there are: ${EXTRAS.join(", ")}.`);
  return [...new Set([...USUAL, ...extras])];
}

const plants = PLANTS.map(({ name, bug }) => `  ${name.padEnd(24)}${bug}`).join("\n");

const program = new Command("sim")
  .description(
    "Runs the real controller in a simulated cluster that tries to break it, once for each seed: clock, messages and chance are all the seed's. What fails is shortened and shown, and repeats itself exactly.",
  )
  .option("--seeds <n>", "how many seeds", wholeNumber, 100)
  .option("--first-seed <s>", "the first of them", wholeNumber, 1)
  .option("--jobs <n>", "runs at once", wholeNumber, DEFAULT_JOBS)
  .option("--trace", "run the first seed only, and print all that happens", false)
  .option("--replay <file>", "run the script of a file, as a shortened failure leaves it, and print all that happens")
  .option("--no-minimise", "do not shorten what fails")
  .option("--with <extras>", `what to add to the scripts, of: ${EXTRAS.join(", ")}`, extrasOf, USUAL)
  .option("--plant <name>", "plant a bug in the controller and look for it: then finding it is success", plantName)
  .addHelpText("after", `\nBugs to plant:\n${plants}\n  ${"all".padEnd(24)}each of them in turn`)
  .action(async ({ seeds, firstSeed, jobs, plant, with: extras, trace, replay: file, minimise }: Options) => {
    const range = { first: firstSeed, count: seeds, jobs, minimise, extras };
    let good: boolean;
    if (file !== undefined) good = await replay(file, plant);
    else if (trace) good = await showTrace(firstSeed, extras, plant);
    else if (plant === undefined) good = await search(range);
    else {
      good = true;
      for (const name of plant === "all" ? PLANTS.map((one) => one.name) : [plant]) {
        if (await search({ ...range, plant: name })) good = false;
      }
    }
    process.exitCode = good ? 0 : 1;
  });
program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 2;
});
