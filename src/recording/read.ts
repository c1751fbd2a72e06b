// SPDX-License-Identifier: Apache-2.0

import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { formatTime } from "../time/rfc3339.ts";
import { RecordingError } from "./error.ts";
import { type HeaderLine, parseRecord } from "./record.ts";
import { Replay } from "./replay.ts";

/** The names of segment files: `weft-<time>-<process>.ndjson`. */
export const SEGMENT = /^weft-.*\.ndjson$/;

/** One file of a recording. */
export interface Segment {
  readonly path: string;
  readonly bytes: number;
  readonly header: HeaderLine;
}

/** The maximum length of a first line, in bytes. */
const HEADER_BYTES = 64 * 1024;

/** The segments in a folder, oldest first. Rejects with a {@link RecordingError}. A file whose first line is not written yet is not one. */
export async function listSegments(folder: string): Promise<readonly Segment[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const paths = names.filter((name) => SEGMENT.test(name)).map((name) => join(folder, name));
  const segments = await Promise.all(paths.map(readSegment));
  const found = segments.filter((segment) => segment !== undefined).sort((a, b) => a.header.at - b.header.at);
  if (found.length === 0)
    throw new RecordingError(
      "empty",
      `${folder} has no recording: it has no file weft-*.ndjson with a header (weft-controller --record writes them)`,
    );
  return found;
}

async function readSegment(path: string): Promise<Segment | undefined> {
  try {
    const { size: bytes } = await stat(path);
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
      const end = buffer.subarray(0, bytesRead).indexOf("\n");
      if (end < 0) return undefined;
      const line = parseRecord(buffer.toString("utf8", 0, end), `${path}:1`);
      if (line.line !== "header") throw new RecordingError("malformed", `${path}:1 is not the header of a recording`);
      return { path, bytes, header: line };
    } finally {
      await file.close();
    }
  } catch (error) {
    // It was removed to make room for newer ones.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error instanceof RecordingError ? error : unreadable(path, error);
  }
}

/** The state at a time, in ms since the epoch; by default at the end. Rejects with a {@link RecordingError}. */
export async function replayTo(segments: readonly Segment[], at = Number.POSITIVE_INFINITY): Promise<Replay> {
  // The newest that had begun; one without a complete snapshot is ignored.
  for (const segment of segments.filter(({ header }) => header.at <= at).reverse()) {
    const replay = await replaySegment(segment, at);
    if (replay.complete) return replay;
  }
  const [first] = segments;
  throw new RecordingError(
    "out-of-range",
    first === undefined || first.header.at <= at
      ? "no segment of the recording is complete"
      : `the recording begins at ${formatTime(first.header.at)}, after ${formatTime(at)}`,
  );
}

async function replaySegment({ path, header }: Segment, at: number): Promise<Replay> {
  const replay = new Replay(header);
  const input = createReadStream(path, "utf8");
  let number = 0;
  /** A line that cannot be parsed; a last line may be incomplete. */
  let failed: RecordingError | undefined;
  try {
    for await (const text of linesOf(input)) {
      number++;
      if (failed !== undefined) throw failed;
      try {
        const line = parseRecord(text, `${path}:${number}`);
        if ("at" in line && line.at > at) break;
        replay.apply(line);
      } catch (error) {
        if (!(error instanceof RecordingError)) throw error;
        failed = error;
      }
    }
  } catch (error) {
    throw error instanceof RecordingError ? error : unreadable(path, error);
  } finally {
    input.destroy();
  }
  return replay;
}

/** The lines of a text. Not those of node:readline, which also ends them at U+2028 and U+2029: JSON has these as they are. */
async function* linesOf(input: AsyncIterable<string>): AsyncGenerator<string> {
  let rest: string[] = [];
  for await (const chunk of input) {
    const [first = "", ...others] = chunk.split("\n");
    rest.push(first);
    for (const next of others) {
      yield rest.join("");
      rest = [next];
    }
  }
  const last = rest.join("");
  if (last !== "") yield last;
}

function unreadable(path: string, cause: unknown): RecordingError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RecordingError("unreadable", `failed to read ${path}: ${why}`, { cause });
}
