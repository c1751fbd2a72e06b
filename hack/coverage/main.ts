// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { execa } from "execa";
import pLimit from "p-limit";
import { prepareMachine } from "../test-runner/machine.ts";
import { runTestFile } from "../test-runner/test-file.ts";
import { belowFloor, byFolder, type Floors, hasCode, leastCovered, raised, type Summary, table } from "./floors.ts";

const ROOT = join(import.meta.dirname, "../..");
const FLOORS = join(import.meta.dirname, "floors.json");
const TIMEOUT_MS = 600_000;

interface Options {
  readonly write?: boolean;
  readonly json?: boolean;
  readonly files?: string;
}

async function main({ write, json, files }: Options): Promise<void> {
  await prepareMachine();
  const folder = await mkdtemp(join(tmpdir(), "weft-coverage-"));
  try {
    const failed = await runTests(join(folder, "v8"));
    const summary = await report(folder);
    const folders = byFolder(summary, ROOT);
    const floors = JSON.parse(readFileSync(FLOORS, "utf8")) as Floors;
    if (write === true && failed.length === 0) {
      writeFileSync(FLOORS, `${JSON.stringify(raised(folders, floors), undefined, 2)}\n`);
    }
    const faults = [...failed, ...(write === true ? [] : belowFloor(folders, floors))];
    console.log(json === true ? JSON.stringify({ folders, floors, faults }, undefined, 2) : table(folders, floors));
    if (files !== undefined) console.log(leastCovered(summary, ROOT, files).join("\n"));
    for (const fault of faults) console.error(`!! ${fault}`);
    if (faults.length > 0) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs the tests beside the source; V8 writes what ran into `folder` (not with the compile cache, which costs precision). Returns what failed. */
async function runTests(folder: string): Promise<readonly string[]> {
  const results = await pLimit(availableParallelism() + 1).map(globSync("src/**/*.test.ts").sort(), (file) =>
    runTestFile(file, TIMEOUT_MS, { env: { NODE_V8_COVERAGE: folder } }),
  );
  return results.filter(({ failed }) => failed > 0).map(({ file, report }) => `${file} failed\n${report}`);
}

/** c8's summary of what V8 wrote: files of `src` that run in production, with those that nothing loaded. */
async function report(folder: string): Promise<Summary> {
  const excluded = ["**/*.test.ts", "**/testing/**", "**/generated/**"].map((pattern) => `--exclude=${pattern}`);
  const args = [
    "report",
    "--reporter=json-summary",
    `--temp-directory=${join(folder, "v8")}`,
    `--reports-dir=${folder}`,
  ];
  const files = ["--all", "--src=src", "--include=src/**/*.ts", "--extension=.ts", "--merge-async", ...excluded];
  await execa("c8", [...args, ...files], { cwd: ROOT, preferLocal: true });
  const summary = JSON.parse(readFileSync(join(folder, "coverage-summary.json"), "utf8")) as Summary;
  const isCounted = (path: string): boolean => path !== "total" && hasCode(readFileSync(path, "utf8"));
  return Object.fromEntries(Object.entries(summary).filter(([path]) => isCounted(path)));
}

await new Command("npm run coverage --")
  .description(
    "Runs the unit tests in src (not the policy oracle and the simulation, which execute much code without checking it) and prints the line coverage of each folder of src. Fails if one is below its minimum in hack/coverage/floors.json.",
  )
  .option("--write", "raise the minimums to the measured coverage; none is lowered")
  .option("--files <folder>", "also list the files of a folder, such as src/ipam, with lines that are not covered")
  .option("--json", "print folders, minimums and failures as JSON")
  .action(main)
  .parseAsync();
