// SPDX-License-Identifier: Apache-2.0

import { formatTable } from "../table.ts";

/**
 * - `ok`; `warning`: it works with limitations; `failed`: Weft would not work; `skipped`: not checked, for the
 *   reason in `found`.
 */
export type CheckResult = "ok" | "warning" | "failed" | "skipped";

/** One line of `weftctl env-check`. */
export interface Check {
  /** `cluster`, or `node NAME`. */
  readonly subject: string;
  /** What was checked: "kernel". */
  readonly name: string;
  readonly result: CheckResult;
  /** The observed state. */
  readonly found: string;
  /** What to do, if anything. */
  readonly advice?: string;
}

/** A table; what to do is below the line that it is about. */
export function formatChecks(checks: readonly Check[]): string {
  const rows = checks.map(({ subject, name, result, found }) => [subject, name, result, found]);
  const [head = "", ...lines] = formatTable(["SUBJECT", "CHECK", "RESULT", "FOUND"], rows).trimEnd().split("\n");
  const body = lines.flatMap((line, index) => {
    const advice = checks[index]?.advice;
    return advice === undefined ? [line] : [line, `  → ${advice}`];
  });
  return `${[head, ...body, "", summary(checks)].join("\n")}\n`;
}

/** "12 ok, 1 warning, 2 failed". */
export function summary(checks: readonly Check[]): string {
  const results: readonly CheckResult[] = ["ok", "warning", "failed", "skipped"];
  return results
    .map((result) => [checks.filter((check) => check.result === result).length, result] as const)
    .filter(([count]) => count > 0)
    .map(([count, result]) => `${count} ${result}`)
    .join(", ");
}
