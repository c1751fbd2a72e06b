// SPDX-License-Identifier: Apache-2.0

import { once } from "node:events";
import { setPriority } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { Parser, type Result } from "tap-parser";
import { stringify } from "yaml";

/** The result of one test file. */
export interface FileResult {
  readonly file: string;
  /** Assertions. A file that crashes, times out or tests nothing has at least one that failed. */
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly milliseconds: number;
  /** The names of the outermost failed tests, without duplicates, in their order. */
  readonly failedTests: readonly string[];
  /**
   * The failures as text: each failed assertion with its diagnosis, and the end of the error output. Empty if nothing
   * failed.
   */
  readonly report: string;
}

/** What is compiled once is not compiled again by the next of some 250 processes (Node's `NODE_COMPILE_CACHE`). */
const COMPILE_CACHE = join(import.meta.dirname, "../../node_modules/.cache/node-compile");
/** The number of failed assertions of one file that are shown. */
const SHOWN = 20;
/** Characters that are kept of a file's error output. */
const KEPT = 10_000;

/** How the process of a test file runs. */
export interface ProcessOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** From 0 to 19: the larger, the more it leaves the processors to others (nice(2)). */
  readonly niceness?: number;
  /** Arguments for Node itself. */
  readonly nodeArguments?: readonly string[];
}

/**
 * Runs a test file in a process of its own, for `timeoutMs` at most, and reads the TAP that it prints. The file is run by Node alone: what `tap`
 * adds to a process (hooks for mocks, for coverage and for source maps) is used by no test, and is most of what a small one takes.
 */
export async function runTestFile(
  file: string,
  timeoutMs: number,
  { env = { NODE_COMPILE_CACHE: COMPILE_CACHE }, niceness = 0, nodeArguments = [] }: ProcessOptions = {},
): Promise<FileResult> {
  const counts = { pass: 0, fail: 0, skip: 0, todo: 0 };
  const failedTests = new Set<string>();
  const report: string[] = [];
  const parser = new Parser();
  for (const kind of ["pass", "fail", "skip", "todo"] as const) parser.on(kind, () => void counts[kind]++);
  parser.on("fail", (result: Result) => {
    if (counts.fail <= SHOWN) report.push(diagnosis(result));
  });
  parser.on("assert", (result: Result) => {
    if (!result.ok && !result.todo && !result.skip) failedTests.add(result.name);
  });
  const started = performance.now();
  const complete = once(parser, "complete");
  const child = execa(process.execPath, [...nodeArguments, file], {
    stdin: "ignore",
    buffer: { stdout: false },
    // What is more than this of the error output is dropped, and ends nothing.
    maxBuffer: KEPT * 100,
    env: { ...env, TAP: "1", TAP_TIMEOUT: String(timeoutMs / 1000) },
    timeout: timeoutMs,
    reject: false,
  });
  if (child.pid !== undefined && niceness > 0) setPriority(child.pid, niceness);
  child.stdout.pipe(parser);
  const [{ exitCode, signal, timedOut, stderr }] = await Promise.all([child, complete]);
  const { pass: passed, skip, todo } = counts;
  const nothing = passed + counts.fail + skip + todo === 0;
  let { fail: failed } = counts;
  if (failed === 0 && (exitCode !== 0 || !parser.ok || nothing)) {
    failed = 1;
    report.push(
      timedOut ? `no end within ${timeoutMs / 1000} s` : nothing ? "no test ran" : endOf(exitCode, signal, parser),
    );
  }
  if (failed > SHOWN) report.push(`${failed - SHOWN} more`);
  if (failed > 0 && stderr !== "") report.push(`error output:\n${stderr.slice(-KEPT)}`);
  return {
    file,
    passed,
    failed,
    skipped: skip + todo,
    milliseconds: performance.now() - started,
    failedTests: [...failedTests],
    report: report.join("\n"),
  };
}

/** Why a file without a failed assertion failed. */
function endOf(exitCode: number | undefined, signal: string | undefined, parser: Parser): string {
  const faults = parser.failures
    .map((fault) => ("tapError" in fault && fault.tapError) || "")
    .filter((text) => text !== "");
  return `ended with ${signal ?? exitCode}${faults.length === 0 ? "" : `: ${faults.join(", ")}`}`;
}

/** A failed assertion: the names of its tests and its own, and tap's YAML of what was found and where. */
function diagnosis({ fullname, diag }: Result): string {
  const title = `✖ ${fullname}`;
  if (diag === null || diag === undefined) return title;
  return `${title}\n${stringify(diag, { lineWidth: 0 })
    .replaceAll(/^(?=.)/gm, "    ")
    .trimEnd()}`;
}
