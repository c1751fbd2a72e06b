// SPDX-License-Identifier: Apache-2.0

import { createWriteStream } from "node:fs";
import { access, mkdir, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InvalidArgumentError } from "commander";
import { HostError } from "../host/error.ts";
import { withFreeFileLock } from "../host/lock.ts";
import { formatDuration, type Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { goPattern } from "./not-applicable.ts";
import { readReports, reportName, type SpecResult } from "./report.ts";

/** A binary of Ginkgo's specs, and which of them are run. */
export interface SpecRun {
  readonly program: string;
  /** Ginkgo's command, and how many processes it starts: specs that are not `[Serial]` then run side by side. */
  readonly parallel?: { readonly ginkgo: string; readonly procs: number };
  /** The command that runs a command where the specs are to run; by default on this machine. */
  readonly within?: (command: readonly string[]) => readonly string[];
  /** Regular expression of names, of Go. */
  readonly focus: string;
  /** The same; "" skips none. */
  readonly skip: string;
  /** Leaves out what has passed by the reports in the folder, which are removed otherwise. */
  readonly resume: boolean;
  /** The longest time of all specs together, such as `3h`. */
  readonly limit: string;
  /** Further flags of the program. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folder for the report and the output; also the working directory. In its parent only one run takes place at a time. */
  readonly folder: string;
}

/** How specs ended: the last result of each one with a report in the folder, and whether all passed and one was run. */
export interface SpecsEnded {
  readonly results: readonly SpecResult[];
  readonly passed: boolean;
}

/**
 * Runs specs. SIGINT and SIGTERM interrupt the one that runs: it is cleaned up, the others are left out, and the reports are complete. Rejects with HostError
 * `in-use` while another run takes place, and `command-failed` where the program leaves no report.
 */
export async function runSpecs(specs: SpecRun, progress: Progress): Promise<SpecsEnded> {
  const lock = join(dirname(specs.folder), "lock");
  const inUse = `specs are running on this lab already (lock ${lock}); wait for their end, or start a lab in another checkout`;
  return await withFreeFileLock(lock, inUse, () => runAlone(specs, progress));
}

async function runAlone(
  { within = (command) => command, env = {}, folder, resume, ...given }: SpecRun,
  progress: Progress,
): Promise<SpecsEnded> {
  if (!resume) await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const passed = (await readReports(folder)).filter(({ outcome }) => outcome === "passed");
  // Ginkgo puts the name of the suite before that of the spec.
  const done = passed.length === 0 ? "" : ` (${passed.map(({ name }) => goPattern(name)).join("|")})$`;
  const specs = { ...given, skip: [given.skip, done].filter((one) => one !== "").join("|") };
  // Ginkgo's command takes programs of this suffix only.
  const suite = join(folder, "e2e.test");
  if (specs.parallel !== undefined) {
    await rm(suite, { force: true });
    await symlink(specs.program, suite);
  }
  const report = join(folder, reportName(new Date()));
  const log = join(folder, "e2e.log");
  progress.note(`output of the specs: ${log}`);
  const output = createWriteStream(log, { flags: "a" });
  const { code } = await progress.step("specs", (step) => {
    let ended = 0;
    const [first = "", ...rest] = within(specCommand(specs, suite, report));
    return run(first, rest, {
      allowFailure: true,
      forwardSignals: true,
      cwd: folder,
      env,
      onLine: (line) => {
        output.write(`${line}\n`);
        if (!line.startsWith("• ")) return;
        ended += 1;
        step.update(`${ended} finished`);
      },
    });
  });
  output.end();
  await access(report).catch((cause: unknown) => {
    throw new HostError("command-failed", `${specs.program} exited with ${code} without a report; see ${log}`, {
      cause,
    });
  });
  const results = await readReports(folder);
  const number = (wanted: SpecResult["outcome"]): number => results.filter(({ outcome }) => outcome === wanted).length;
  return { results, passed: code === 0 && number("passed") > 0 && number("failed") === 0 };
}

/** The command that runs the specs and writes `report`; with several processes it is `suite`, a link to the program in the report's folder, that runs. */
export function specCommand(
  { program, parallel, focus, skip, limit, args }: Omit<SpecRun, "folder" | "resume">,
  suite: string,
  report: string,
): readonly string[] {
  const flags = [
    `focus=${focus}`,
    ...(skip === "" ? [] : [`skip=${skip}`]),
    `timeout=${limit}`,
    // Ginkgo's command adds the suite's folder to the name, even to an absolute one.
    `json-report=${parallel === undefined ? report : basename(report)}`,
    "v",
    "no-color",
  ];
  if (parallel === undefined) return [program, ...args, ...flags.map((flag) => `--ginkgo.${flag}`)];
  const { ginkgo, procs } = parallel;
  return [ginkgo, `--procs=${procs}`, ...flags.map((flag) => `--${flag}`), suite, "--", ...args];
}

const MARK = { passed: "✓", failed: "✗", skipped: "-" } as const;

/** A line for each spec, the beginning of the message of those that did not pass, and how many passed; `of` names what was run. */
export function formatResults(results: readonly SpecResult[], of: string): string {
  const number = (wanted: SpecResult["outcome"]): number => results.filter(({ outcome }) => outcome === wanted).length;
  const skipped = number("skipped");
  return [
    ...results.flatMap(({ name, outcome, ms, message }) => [
      `${MARK[outcome]} ${name} (${formatDuration(ms)})`,
      ...(outcome === "passed"
        ? []
        : message
            .trim()
            .split("\n")
            .slice(0, 12)
            .map((line) => `    ${line}`)),
    ]),
    "",
    `${number("passed")} of ${results.length - skipped} specs passed, ${skipped} skipped (${of})`,
    "",
  ].join("\n");
}

/** The value of an option: the number of Ginkgo's processes. Throws commander's error. */
export function processes(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 25)
    throw new InvalidArgumentError("must be a number from 1 to 25");
  return value;
}
