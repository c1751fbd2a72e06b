// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { type Extra, USUAL } from "./extra-actions.ts";
import { generateScript } from "./generate.ts";
import { minimise } from "./minimise.ts";
import { mutationNamed } from "./mutations.ts";
import { type Job, runAll } from "./pool.ts";
import { injectedTable, outcomeText, SimulationTally, scriptText } from "./report.ts";
import { type RunOutcome, runScript, type SimulationOptions } from "./run.ts";
import type { Script } from "./script.ts";

/** Which seeds are searched, and how. */
export interface Range {
  readonly first: number;
  readonly count: number;
  /** Number of parallel runs. */
  readonly jobs: number;
  /** Whether failing scripts are shortened. */
  readonly minimise: boolean;
  readonly extras: readonly Extra[];
  /** The mutation; with one, the first failure ends the search. */
  readonly mutation?: string;
}

/** Folder for shortened scripts, in the checkout; ignored by git. */
const OUT = "dist/sim";
/** Number of failures that are shortened: others are seldom of another kind, and each takes half a minute. */
const MAX_SHORTENED = 5;
/** Interval of progress lines, in ms. */
const PROGRESS_MS = 10_000;

/** Runs all seeds of a range and prints the results. Returns true if none failed. */
export async function search(range: Range): Promise<boolean> {
  const { first, count, jobs, mutation } = range;
  const extras = extrasWith(range.extras, mutation);
  const seeds = Array.from(
    { length: count },
    (_, i): Job => ({ seed: first + i, extras, ...(mutation && { mutation }) }),
  );
  const tally = new SimulationTally();
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1_000;
  const rate = (): string =>
    `${tally.runs} of ${count} seeds in ${seconds().toFixed(0)} s, ${tally.failed.length} failed`;
  let told = began;
  console.log(
    mutation === undefined
      ? `seeds ${first} to ${first + count - 1}, ${jobs} at once`
      : `mutation: ${mutation} (${mutationNamed(mutation).bug})`,
  );
  await runAll(seeds, jobs, ({ outcome, job }) => {
    tally.add(outcome);
    if (outcome.violations.length > 0) console.log(outcomeText(outcome, replayHint(job)));
    if (performance.now() - told > PROGRESS_MS) {
      told = performance.now();
      console.log(`  ${rate()}`);
    }
    return mutation === undefined || outcome.violations.length === 0;
  });
  if (mutation !== undefined) {
    const [found] = tally.failed;
    if (found === undefined) console.log(`not found: ${rate()}`);
    else console.log(`found after ${tally.runs} runs, with seed ${found.seed}`);
  } else {
    console.log(`\nfaults injected and actions done:\n${injectedTable(tally.counts)}`);
  }
  if (range.minimise) await shorten(tally, extras, mutation);
  if (mutation === undefined) {
    const speed = tally.runs / seconds();
    const days = tally.simulated / 86_400_000;
    console.log(`\n${rate()}: ${speed.toFixed(1)} seeds/s, ${tally.events} events, ${days.toFixed(1)} simulated days`);
  }
  return tally.failed.length === 0;
}

/** Shortens one failing seed of each kind of violation. */
async function shorten(tally: SimulationTally, extras: readonly Extra[], mutation: string | undefined): Promise<void> {
  const kinds = [...tally.kinds()];
  for (const [kind, seeds] of kinds.slice(0, MAX_SHORTENED)) {
    const outcome = tally.failed.find(({ seed }) => seed === seeds[0]);
    if (outcome === undefined) continue;
    console.log(`\n"${kind}": seeds ${seeds.join(", ")}; shortening ${outcome.seed} …`);
    const shorter = await minimise(generateScript(Number(outcome.seed), extras), outcome, optionsOf(mutation));
    mkdirSync(OUT, { recursive: true });
    const file = `${OUT}/${outcome.seed}${mutation === undefined ? "" : `-${mutation}`}.json`;
    writeFileSync(file, `${JSON.stringify(shorter.script, null, 1)}\n`);
    console.log(`${scriptText(shorter.script)}\n(${shorter.runs} runs)`);
    const hint = `npm run sim -- --replay ${file}${mutation === undefined ? "" : ` --mutation ${mutation}`}`;
    console.log(outcomeText(shorter.outcome, hint));
  }
  if (kinds.length > MAX_SHORTENED) console.log(`\n${kinds.length - MAX_SHORTENED} more kinds are not shortened`);
}

/** Runs one seed and prints its trace. Returns true if there is no violation. */
export function showTrace(seed: number, extras: readonly Extra[], mutation: string | undefined): Promise<boolean> {
  return replay(generateScript(seed, extrasWith(extras, mutation)), mutation);
}

/** The script in a file of an earlier failure. Throws commander's `InvalidArgumentError`. */
export function scriptIn(file: string): Script {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Script;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(`${why}; the scripts of failures are in dist/sim/SEED.json`);
  }
}

/** Runs a script and prints its trace. Returns true if there is no violation. */
export async function replay(script: Script, mutation: string | undefined): Promise<boolean> {
  const outcome: RunOutcome = await runScript(script, { ...optionsOf(mutation), print: (line) => console.log(line) });
  console.log(`\nhash ${outcome.hash}, ${outcome.events} events`);
  for (const violation of outcome.violations) console.log(`  ${violation}`);
  return outcome.violations.length === 0;
}

/** The requested extras, and those that the mutation needs. */
function extrasWith(extras: readonly Extra[], mutation: string | undefined): readonly Extra[] {
  return [...new Set([...extras, ...((mutation === undefined ? undefined : mutationNamed(mutation).extras) ?? [])])];
}

function optionsOf(mutation: string | undefined): SimulationOptions {
  return mutation === undefined ? {} : { mutation: mutationNamed(mutation) };
}

function replayHint({ seed, mutation, extras = USUAL }: Job): string {
  const more = extras.filter((extra) => !USUAL.includes(extra));
  const added = more.length === 0 ? "" : ` --with ${more.join(",")}`;
  return `npm run sim -- --first-seed ${seed} --trace${added}${mutation === undefined ? "" : ` --mutation ${mutation}`}`;
}
