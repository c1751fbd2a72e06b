// SPDX-License-Identifier: Apache-2.0

import { type Command, InvalidArgumentError } from "commander";
import { RecordingError } from "../../recording/error.ts";
import { listSegments, replayTo } from "../../recording/read.ts";
import { parseTime } from "../../time/rfc3339.ts";
import type { ExplainReport } from "../explain.ts";
import { differenceReport } from "./difference.ts";
import { overviewReport } from "./overview.ts";
import { rowsReport, stateReport } from "./state.ts";

/** The options of `replay`. */
interface ReplayOptions {
  readonly at?: number;
  readonly until?: number;
  readonly only?: string;
  readonly commits: number;
  readonly rows?: boolean;
  readonly check?: boolean;
  readonly allRows?: boolean;
}

/** Runs an action that needs no cluster and prints what it returns. `options`: those of the command and of the program. */
type Print = (options: object, action: () => Promise<ExplainReport>) => Promise<void>;

/** Adds `replay`. */
export function addReplayCommand(program: Command, print: Print): void {
  program
    .command("replay")
    .description(
      "show the facts and rows of a recorded controller at a time, its transactions and their causes; needs no cluster",
    )
    .argument("<folder>", "a copy of the folder of weft-controller --record")
    .option("--at <time>", "the state at this time, in RFC 3339: 2026-01-31T12:00:00Z", time)
    .option("--until <time>", "what changed from --at to this time: who gained or lost what, and which rows", time)
    .option("--only <text>", "only facts, rows and transactions whose name has this text, in full: shop/cart")
    .option("--commits <number>", "how many transactions before that time are shown", count, 5)
    .option("--rows", "print all rows that follow from the facts, one line each")
    .option("--check", "exit with 1 if the rows that follow from the facts are not those that were committed")
    .option("--all-rows", "print all rows that changed, however many")
    .addHelpText(
      "after",
      `
Examples:
  weftctl replay ./recording
  weftctl replay ./recording --at 2026-01-31T12:00:00Z
  weftctl replay ./recording --at 2026-01-31T12:00:00Z --only shop/cart
  weftctl replay ./recording --at 2026-01-31T12:00:00Z --until 2026-01-31T12:05:00Z
  weftctl replay ./recording --at 2026-01-31T12:00:00Z --rows

Exit codes: 0 answered, 1 with --check: the rows differ, 2 the command failed, for example because nothing was recorded at that time.`,
    )
    .action((folder: string, _, command: Command) => {
      const options = command.optsWithGlobals<ReplayOptions>();
      return print(options, () => replayCommand(folder, options));
    });
}

/** Runs `replay`. Rejects with a `RecordingError`. */
export async function replayCommand(folder: string, options: ReplayOptions): Promise<ExplainReport> {
  const { at, until, only, commits, rows = false, check = false, allRows = false } = options;
  const segments = await listSegments(folder);
  if (until !== undefined && at !== undefined && until < at)
    throw new RecordingError("out-of-range", "--until is before --at");
  if (until !== undefined)
    return differenceReport(
      await replayTo(segments, at ?? segments[0]?.header.at),
      await replayTo(segments, until),
      allRows,
    );
  if (at === undefined && only === undefined && !rows && !check)
    return overviewReport(segments, await replayTo(segments));
  const replay = await replayTo(segments, at);
  return rows ? rowsReport(replay, check) : stateReport(replay, { at, only, commits, check });
}

function time(text: string): number {
  const ms = parseTime(text);
  if (ms === undefined) throw new InvalidArgumentError(`"${text}" is not a valid time such as 2026-01-31T12:00:00Z.`);
  return ms;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 1000)
    throw new InvalidArgumentError(`"${text}" is not a number from 0 to 1000.`);
  return value;
}
