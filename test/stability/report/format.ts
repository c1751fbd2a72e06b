// SPDX-License-Identifier: Apache-2.0

import type { TaskResult } from "./result.ts";

/** A file that a task's result is written to. */
export interface ReportFormat {
  readonly name: string;
  readonly summary: string;
  /** The extension of the file's name. */
  readonly extension: string;
  render(result: TaskResult): string;
}
