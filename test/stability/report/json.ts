// SPDX-License-Identifier: Apache-2.0

import type { ReportFormat } from "./format.ts";

/** The result as it is stored: `TASK_RESULT` in `result.ts`. */
export const JSON_REPORT: ReportFormat = {
  name: "json",
  summary: "everything, for programs; the store keeps these",
  extension: "json",
  render: (result) => `${JSON.stringify(result, null, 1)}\n`,
};
