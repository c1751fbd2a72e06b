// SPDX-License-Identifier: Apache-2.0

import type { Segment } from "../../recording/read.ts";
import type { Replay } from "../../recording/replay.ts";
import { formatMilliTime } from "../../time/rfc3339.ts";
import type { ExplainReport } from "../explain.ts";
import { formatTable } from "../table.ts";

/** The content of a recording: its segments and their times. */
export function overviewReport(segments: readonly Segment[], last: Replay): ExplainReport {
  const list = segments.map(({ path, bytes, header }) => ({
    from: formatMilliTime(header.at),
    process: header.process,
    bytes,
    path,
  }));
  const data = { from: list[0]?.from, to: formatMilliTime(last.last), segments: list };
  const rows = list.map(({ from, process, bytes, path }) => [from, process, `${Math.ceil(bytes / 1024)} KiB`, path]);
  const text = `Recorded from ${data.from} to ${data.to}.\n\n${formatTable(["FROM", "CONTROLLER", "SIZE", "FILE"], rows)}`;
  return { data, text, ok: true };
}
