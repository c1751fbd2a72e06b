// SPDX-License-Identifier: Apache-2.0

import { createWriteStream } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { HostError } from "../host/error.ts";
import { formatDuration, type Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { readReports, reportName, type SpecResult } from "./report.ts";

/** A binary of Ginkgo's specs, and which of them are run. */
export interface SpecRun {
  readonly program: string;
  /** The command that runs a command where the specs are to run; by default on this machine. */
  readonly within?: (command: readonly string[]) => readonly string[];
  /** Regular expression of names, of Go. */
  readonly focus: string;
  /** The same; "" skips none. */
  readonly skip: string;
  /** The longest time of all specs together, such as `3h`. */
  readonly limit: string;
  /** Further flags of the program. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folder for the report and the output; also the working directory. */
  readonly folder: string;
}

/**
 * Runs specs and returns the last result of each one with a report in the folder, and whether all passed and one was run. Rejects with HostError
 * `command-failed` where the program leaves no report.
 */
export async function runSpecs(
  { program, within = (command) => command, focus, skip, limit, args, env = {}, folder }: SpecRun,
  progress: Progress,
): Promise<{ readonly results: readonly SpecResult[]; readonly passed: boolean }> {
  await mkdir(folder, { recursive: true });
  const report = join(folder, reportName(new Date()));
  const log = join(folder, "e2e.log");
  progress.note(`output of the specs: ${log}`);
  const output = createWriteStream(log, { flags: "a" });
  const { code } = await progress.step("specs", (step) => {
    let ended = 0;
    const flags = [
      `--ginkgo.focus=${focus}`,
      ...(skip === "" ? [] : [`--ginkgo.skip=${skip}`]),
      `--ginkgo.timeout=${limit}`,
      `--ginkgo.json-report=${report}`,
      "--ginkgo.v",
      "--ginkgo.no-color",
    ];
    const [first = "", ...rest] = within([program, ...args, ...flags]);
    return run(first, rest, {
      allowFailure: true,
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
    throw new HostError("command-failed", `${program} exited with ${code} without a report; see ${log}`, { cause });
  });
  const results = await readReports(folder);
  const number = (wanted: SpecResult["outcome"]): number => results.filter(({ outcome }) => outcome === wanted).length;
  return { results, passed: code === 0 && number("passed") > 0 && number("failed") === 0 };
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
