// SPDX-License-Identifier: Apache-2.0

import { availableParallelism } from "node:os";
import { Argument, Command } from "commander";
import { execa } from "execa";
import pLimit from "p-limit";
import { createProgress, formatDuration } from "../host/progress.ts";
import { DEBIAN_SUITE, NEWEST_SUITE } from "../image/base.ts";
import { down } from "../lab/down.ts";
import { openLab } from "../lab/lab.ts";
import type { SettingsChoice } from "../lab/settings.ts";
import { prepareMachine } from "./machine.ts";
import { type CommandLine, MORE_SEEDS } from "./more-seeds.ts";
import {
  labStages,
  NO_KUBE_PROXY,
  NON_PRIMARY,
  type PlanStage,
  RELEASE,
  SIMULATION,
  SMOKE,
  THREE_CENTRALS,
  THREE_NODES,
  unitFiles,
  VERSIONS,
} from "./plan.ts";
import { Tally } from "./tally.ts";
import { bundledTap } from "./tap-bundle.ts";
import { type FileResult, runTestFile } from "./test-file.ts";

const tally = new Tally();

/** Runs commands concurrently, each of which is one check; their output is shown when they have ended. */
async function checks(commands: Readonly<Record<string, CommandLine>>): Promise<void> {
  const run = async ([title, [command, ...args]]: readonly [string, CommandLine]): Promise<void> => {
    const since = performance.now();
    const { all, failed, shortMessage } = await execa(command, args, { all: true, reject: false });
    tally.addCheck(title, !failed);
    console.log(
      `\n== ${title} (${formatDuration(performance.now() - since)})\n${all}${failed ? `\n!! ${shortMessage}` : ""}`,
    );
  };
  await Promise.all(Object.entries(commands).map(run));
}

/** Options for the files of one tier. */
interface FileOptions {
  readonly timeoutMs: number;
  /** The number of concurrent files. */
  readonly jobs: number;
  /** As in `ProcessOptions`. */
  readonly niceness?: number;
  /** A failed file is run once more; both failures are shown, and the tally counts files that pass only then. */
  readonly retry?: boolean;
}

/** Runs test files in their order and adds them to the tally. Each one that failed or took long is shown as it ends. */
async function runFiles(
  files: readonly string[],
  { timeoutMs, jobs, retry = false, niceness = 0 }: FileOptions,
): Promise<void> {
  const limit = pLimit(jobs);
  const options = { niceness, nodeArguments: [await bundledTap()] };
  await limit.map(files, async (file) => {
    const first = await runTestFile(file, timeoutMs, options);
    show(first);
    if (first.failed === 0 || !retry) return tally.addFile(first);
    console.log(`!! ${file} failed; running it again`);
    const second = await runTestFile(file, timeoutMs, options);
    show(second);
    tally.addFile(second);
    if (second.failed === 0) tally.addFlaky(first);
  });
}

/** A file that takes longer than this has a line of its own. */
const LONG_MS = 3_000;

function show({ file, passed, failed, milliseconds, report }: FileResult): void {
  if (failed > 0)
    console.log(`✗ ${file}: ${failed} failed, ${passed} passed (${formatDuration(milliseconds)})\n${report}`);
  else if (milliseconds > LONG_MS) console.log(`✓ ${file}: ${passed} passed (${formatDuration(milliseconds)})`);
}

/** Runs one tier of tests that need no lab. */
async function tier(title: string, files: readonly string[], options: FileOptions): Promise<void> {
  console.log(`\n== ${title}: ${files.length} files`);
  const since = performance.now();
  await runFiles(files, options);
  console.log(`${title}: ${formatDuration(performance.now() - since)}`);
}

/**
 * The tests that need the lab: one lab for all of them, stopped at the end in any case. Its image is made of the
 * Debian `suite` (`hack/image/base.ts`), which the lab's deployment and those of the tests read from the environment.
 * `unitTests` run meanwhile; stages that may not run beside them wait until they have ended.
 */
async function onLab(
  title: string,
  suite: string,
  stages: readonly PlanStage[],
  choice: Pick<SettingsChoice, "cni" | "kubeProxy" | "nodes" | "centrals"> = {},
  unitTests: Promise<void> = Promise.resolve(),
): Promise<void> {
  console.log(`\n== ${title}`);
  if (process.getuid?.() !== 0) {
    tally.addCheck(`${title}: needs root`, false);
    console.log(`!! ${title} needs root to create network namespaces (npm run test:unit does not)`);
    return;
  }
  const progress = createProgress();
  const lab = openLab(progress);
  process.env["WEFT_DEBIAN_SUITE"] = suite;
  const since = performance.now();
  try {
    await lab.up({ nodes: 2, cni: "weft", ipFamily: "dual", ...choice });
    for (const { lanes, besideUnitTests } of stages) {
      if (!besideUnitTests) await unitTests;
      await Promise.all(lanes.map((files) => runFiles(files, { timeoutMs: 1_200_000, jobs: 1, retry: true })));
    }
  } catch (error) {
    tally.addCheck(`${title}: the lab did not start`, false);
    console.log(`!! ${title}: the lab did not start: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    if (process.env["WEFT_KEEP_LAB"] === undefined) await down(lab.paths, progress);
  }
  console.log(`${title}: ${formatDuration(performance.now() - since)}`);
}

/**
 * Unit tests use all processors for minutes; tests on the lab beside them mostly wait, and get the processors when
 * they need them.
 */
const UNIT_NICENESS = 10;

async function withoutLab(): Promise<void> {
  await checks({
    lint: ["hack/lint"],
    types: ["tsc", "--noEmit"],
    "types of the page": ["tsc", "--noEmit", "-p", "src/ui"],
  });
  const files = [...SIMULATION, ...unitFiles()];
  // One more than there are processors: many files mostly wait for servers that they start. The lab goes first.
  const options = { timeoutMs: 1_200_000, jobs: availableParallelism() + 1, niceness: UNIT_NICENESS };
  await tier("unit tests and simulation", files, options);
}

function withoutKubeProxy(suite = DEBIAN_SUITE): Promise<void> {
  return onLab("tests on a lab without kube-proxy", suite, labStages(NO_KUBE_PROXY), { kubeProxy: false });
}

async function main(tierName: string, { suite }: { readonly suite?: string }): Promise<void> {
  const since = performance.now();
  if (tierName !== "unit") await prepareMachine({ release: tierName === "release" });
  const unitTests = ["unit", "smoke", "release"].includes(tierName) ? withoutLab() : Promise.resolve();
  const hasLab = ["lab", "smoke", "release"].includes(tierName);
  const smoke = hasLab && onLab("smoke tests on the lab", suite ?? DEBIAN_SUITE, labStages(SMOKE), {}, unitTests);
  await Promise.all([unitTests, smoke]);
  if (tierName === "no-kube-proxy") await withoutKubeProxy(suite);
  if (tierName === "release") {
    // Each uses all processors.
    for (const [title, command] of Object.entries(MORE_SEEDS)) await checks({ [title]: command });
    await onLab("release tests on the lab", suite ?? DEBIAN_SUITE, labStages(RELEASE));
    await onLab("tests on a lab of three nodes", suite ?? DEBIAN_SUITE, labStages(THREE_NODES), { nodes: 3 });
    await onLab("tests on a lab of three centrals", suite ?? DEBIAN_SUITE, labStages(THREE_CENTRALS), {
      nodes: 3,
      centrals: 3,
    });
    await withoutKubeProxy(suite);
    await onLab("tests on a lab of another network plugin", suite ?? DEBIAN_SUITE, labStages(NON_PRIMARY), {
      cni: "bridge",
    });
    // Without the argument, also with the coming OVN and OVS.
    if (suite === undefined) await onLab("tests on the lab with the newest OVN", NEWEST_SUITE, labStages(VERSIONS));
  }
  // Last, for programs that parse the last line.
  console.log(`\nin ${formatDuration(performance.now() - since)}\n${tally}`);
  process.exitCode = tally.ok ? 0 : 1;
}

const program = new Command("npm test --")
  .usage("[options]")
  .description(
    "Runs the tests of a tier: `npm run test:unit` lint, types and unit tests; `npm test` also the smoke tests on the lab; `npm run test:release` also the long ones. `npm run test:lab` runs only the smoke tests on the lab, `npm run test:no-kube-proxy` only those of the release tier on a lab without kube-proxy.",
  )
  .addHelpText(
    "after",
    `
Examples:
  npm test
  npm run test:lab -- --suite sid
  hack/with-deps tap src/net/cidr.test.ts`,
  )
  .addArgument(
    new Argument("<tier>", "set by the npm script").choices(["unit", "lab", "no-kube-proxy", "smoke", "release"]),
  )
  .option("--suite <name>", "Debian suite of the OVS and OVN in the lab; by default, `release` tests two of them")
  .action(main);
program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
