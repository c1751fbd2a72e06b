// SPDX-License-Identifier: Apache-2.0

import { rowDifferences } from "../sim/database-content.ts";
import { type Edit, historyText } from "./edits.ts";
import { HistoryWorld, type Plant } from "./world.ts";

/**
 * Executes a history, and returns its faults; empty if there are none. At rest, a controller without state writes
 * nothing, and writes the same rows to an empty database; no transaction was ever refused; when all objects have been
 * deleted again, the database is as at the beginning.
 */
export async function faultsOf(
  history: readonly Edit[],
  plant?: Plant,
  print?: (line: string) => void,
): Promise<readonly string[]> {
  const revert = plant?.install?.();
  const world = new HistoryWorld(historyText(history), plant, print);
  const onBug = (error: unknown): void => world.fault(`uncaught: ${error instanceof Error ? error.stack : error}`);
  process.on("unhandledRejection", onBug);
  try {
    await world.begin();
    const [rows, names] = [world.rows(), world.names()];
    for (const edit of history) await world.carryOut(edit);
    await world.settle();
    await world.judgeFresh();
    await world.deleteAll(history.length % 2 === 0);
    const left = world.names().filter((name) => !names.includes(name));
    for (const name of left) world.fault(`when all is deleted, there still is ${name}`);
    if (left.length === 0)
      for (const difference of rowDifferences(rows, world.rows())) world.fault(`when all is deleted: ${difference}`);
  } finally {
    world.end();
    revert?.();
    process.off("unhandledRejection", onBug);
  }
  return world.faults;
}
