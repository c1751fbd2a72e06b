// SPDX-License-Identifier: Apache-2.0

import { escaped } from "./escape.ts";
import type { ReportFormat } from "./format.ts";
import type { RepeatResult, TaskResult, TaskRunResult } from "./result.ts";

interface Case {
  readonly name: string;
  readonly failure?: string;
  readonly error?: string;
}

/** JUnit XML: a suite for each repeat of a run, a case for each SLA and verifier; what broke a run, or prevented it, is an error, not a failure. */
export const JUNIT_REPORT: ReportFormat = {
  name: "junit",
  summary: "JUnit XML: a case for each SLA and verifier",
  extension: "xml",
  render(result: TaskResult): string {
    const suites = result.runs.flatMap((run) =>
      (run.repeats.length > 0 ? run.repeats : [notBegun(result)]).map((repeat, n) =>
        suite(run, repeat, n, result.started),
      ),
    );
    return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${escaped(result.title)}">\n${suites.join("")}</testsuites>\n`;
  },
};

/** In the place of a run's repeats, if there are none. */
function notBegun({ outcome }: TaskResult): RepeatResult {
  const text = "the run was not begun, because the task was interrupted or broken before";
  return {
    ...{ outcome: "broken", faults: [], stalls: [], seconds: 0, loads: [], verdicts: [] },
    problems: [{ code: outcome, text }],
  };
}

function suite(run: TaskRunResult, repeat: RepeatResult, n: number, started: string): string {
  const cases = casesOf(repeat);
  const count = (key: "failure" | "error"): number => cases.filter((one) => one[key] !== undefined).length;
  const name = run.repeats.length > 1 ? `${run.name} (${n + 1})` : run.name;
  const head = `name="${escaped(name)}" tests="${cases.length}" failures="${count("failure")}" errors="${count("error")}" time="${repeat.seconds.toFixed(3)}" timestamp="${escaped(started)}"`;
  return ` <testsuite ${head}>\n${cases.map((one) => caseText(name, one)).join("")} </testsuite>\n`;
}

function casesOf({ loads, verdicts, problems }: RepeatResult): readonly Case[] {
  const judged = [
    ...loads.flatMap(({ name, slas }) => slas.map((sla) => ({ ...sla, name: `${name}: ${sla.name}` }))),
    ...verdicts,
  ];
  return [
    ...judged
      .filter(({ outcome }) => outcome !== "unmeasurable")
      .map(({ name, outcome, text }) => (outcome === "failed" ? { name, failure: text } : { name })),
    ...problems.map(({ code, text }) => ({ name: code, error: text })),
  ];
}

function caseText(suiteName: string, { name, failure, error }: Case): string {
  const head = `  <testcase classname="${escaped(suiteName)}" name="${escaped(name)}"`;
  if (failure !== undefined) return `${head}><failure message="${escaped(failure)}"/></testcase>\n`;
  if (error !== undefined) return `${head}><error message="${escaped(error)}"/></testcase>\n`;
  return `${head}/>\n`;
}
