// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { textOf } from "../errors.ts";
import type { ReportFormat } from "./format.ts";
import { TASK_RESULT, type TaskResult } from "./result.ts";

/** Writes a result in all formats into a new folder below `folder`; returns the paths. */
export function storeResult(folder: string, result: TaskResult, formats: readonly ReportFormat[]): readonly string[] {
  const title = result.title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 40);
  const into = join(folder, `${result.started.replaceAll(/[^0-9TZ]/g, "")}-${title}`);
  mkdirSync(into, { recursive: true });
  return formats.map((format) => {
    const path = join(into, `result.${format.extension}`);
    // A reader never finds an incomplete file.
    writeFileSync(`${path}.new`, format.render(result));
    renameSync(`${path}.new`, path);
    return path;
  });
}

/** All results of a store, the oldest first. Unreadable ones are reported and skipped. */
export function readStore(folder: string, onUnreadable: (message: string) => void): readonly TaskResult[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder).sort();
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const path = join(folder, name, "result.json");
    try {
      return [TASK_RESULT.parse(JSON.parse(readFileSync(path, "utf8")))];
    } catch (error) {
      onUnreadable(`${path} is not a result: ${textOf(error)}`);
      return [];
    }
  });
}
