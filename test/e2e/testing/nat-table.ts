// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";

/** One cell of a table of NAT: the case, and which source address the other end sees; "" if it is not reached. */
export type NatCell = readonly [what: string, seen: () => Promise<string>, expected: string];

/** Checks cells one after the other, and prints each as a row of a Markdown table that begins with `of`. A committed change may need seconds until all nodes have it. */
export async function checkCells(t: Test, of: string, cells: readonly NatCell[]): Promise<void> {
  for (const [what, seen, expected] of cells) {
    if (expected !== "") await until(what, 10_000, async () => (await seen()) === expected, 200).catch(() => undefined);
    const found = await seen();
    t.equal(found, expected, what);
    t.comment(`| ${of} | ${what} | ${found || "not reached"} |`);
  }
}
