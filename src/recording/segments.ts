// SPDX-License-Identifier: Apache-2.0

import { type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../time/clock.ts";
import { formatMilliTime } from "../time/rfc3339.ts";
import { SEGMENT } from "./read.ts";
import type { LineSink } from "./recorder.ts";

/** The dependencies of a {@link SegmentWriter}. */
export interface SegmentWriterParts {
  /** Created if missing, accessible to its owner only. */
  readonly folder: string;
  /** The maximum size of all segments together, in bytes. */
  readonly limit: number;
  readonly process: string;
  readonly clock: Pick<Clock, "wall" | "after">;
  readonly onError: (error: unknown, message: string) => void;
}

/**
 * Of so many parts of the limit the files before have eight at most, the beginning of the present one six, and what follows it two: it ends after the first, and what
 * waits to be written has one at most.
 */
const PARTS = 16;
/** What waits to be written has so many bytes at most, also where the limit is large: they are in memory. */
const MAX_WAITING = 16 * 2 ** 20;
/** The beginning of a transaction's line. */
const COMMIT = '{"line":"commit"';
/** So much is written at once, in bytes: between two writes others have the event loop. */
const CHUNK = 256 * 1024;
/** After a failure nothing is written for so long, in ms: also when lines came faster than they were written. */
const PAUSE_MS = 60_000;
/** Where the state does not fit, which each attempt writes in vain. */
const TOO_LARGE_PAUSE_MS = 600_000;

/** The state at the beginning of a segment does not fit into its part of the limit. */
class TooLarge extends Error {
  override readonly name = "TooLarge";
}

interface OpenSegment {
  readonly handle: FileHandle;
  readonly path: string;
  size: number;
  /** Size of its beginning; absent until that is written. */
  base?: number;
}

/** Writes lines to files of a folder, in the order in which they arrive, and removes the oldest files. The caller never waits. */
export class SegmentWriter implements LineSink {
  readonly #parts: SegmentWriterParts;
  readonly #snapshot: () => Iterable<string>;
  #waiting: string[] = [];
  #bytes = 0;
  #file: OpenSegment | undefined;
  /** Lines were left out, or a write failed: what follows needs a new beginning. */
  #broken = false;
  #ending = false;
  #paused = false;
  #busy: Promise<void> | undefined;

  constructor(parts: SegmentWriterParts, snapshot: () => Iterable<string>) {
    this.#parts = parts;
    this.#snapshot = snapshot;
  }

  write(line: string): void {
    // What changed since the end is in no line.
    if (this.#ending && this.#file !== undefined) this.#drop();
    this.#ending = false;
    if (this.#paused) {
      this.#drop();
    } else {
      this.#waiting.push(line);
      this.#bytes += Buffer.byteLength(line) + 1;
      const most = Math.min(this.#part(1), MAX_WAITING);
      if (this.#bytes > most) {
        this.#drop();
        this.#pause(
          new Error(`more than ${most} bytes wait to be written: the disk is too slow, or --record-limit too small`),
        );
      }
    }
    this.#pump();
  }

  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** Resolves when all queued lines are written or dropped. */
  async idle(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy;
  }

  /** So many {@link PARTS} of the limit, in bytes. */
  #part(count: number): number {
    return (this.#parts.limit * count) / PARTS;
  }

  #drop(): void {
    this.#waiting = [];
    this.#bytes = 0;
    this.#broken = true;
  }

  #pause(error: unknown, ms = PAUSE_MS): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#parts.onError(error, `failed to record to ${this.#parts.folder}; retrying in ${ms / 1_000} s`);
    this.#parts.clock.after(ms, () => {
      this.#paused = false;
    });
  }

  #pump(): void {
    this.#busy ??= this.#run().finally(() => {
      this.#busy = undefined;
      // A line may have come while it ended.
      if (this.#isDue()) this.#pump();
    });
  }

  /** Whether the present segment is to end. */
  #isOver(): boolean {
    if (this.#file === undefined) return false;
    const { size, base = size } = this.#file;
    return this.#broken || size - base > this.#part(1) || (this.#ending && this.#waiting.length === 0);
  }

  #isDue(): boolean {
    return this.#isOver() || (this.#waiting.length > 0 && !this.#paused);
  }

  async #run(): Promise<void> {
    try {
      while (this.#isDue()) {
        if (this.#isOver()) await this.#close();
        else if (this.#file === undefined) await this.#begin();
        else await this.#flush();
      }
    } catch (error) {
      this.#drop();
      this.#pause(error, error instanceof TooLarge ? TOO_LARGE_PAUSE_MS : PAUSE_MS);
      await this.#close().catch(() => undefined);
    }
  }

  async #flush(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    if (this.#file !== undefined) await append(this.#file, lines);
  }

  /** Begins a segment with a snapshot of the current state, which includes the queued lines. */
  async #begin(): Promise<void> {
    const { folder, limit, process, clock } = this.#parts;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // The new segment needs room for the largest snapshot and the changes after it.
    await this.#removeOldest(limit / 2);
    const time = formatMilliTime(clock.wall()).replaceAll(/[-:]/g, "");
    const path = join(folder, `weft-${time}-${process.replaceAll(/[^A-Za-z0-9.-]/g, "_")}.ndjson`);
    const file: OpenSegment = { handle: await open(path, "w", 0o600), path, size: 0 };
    this.#file = file;
    // No other code runs between here and the snapshot: it includes the queued lines and none that arrive later. A transaction in it is recorded as well, for its time.
    const commits = this.#waiting.filter((line) => line.startsWith(COMMIT));
    this.#waiting = [];
    this.#bytes = 0;
    this.#broken = false;
    await append(file, this.#snapshot(), this.#part(6));
    file.base = file.size;
    await append(file, commits);
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
    // Nothing can be read of it, and it would take the room of one that can.
    if (file !== undefined && file.base === undefined) await rm(file.path, { force: true });
  }

  /** Removes the oldest files until the total size is at most this number of bytes. */
  async #removeOldest(limit: number): Promise<void> {
    const { folder } = this.#parts;
    const names = (await readdir(folder)).filter((name) => SEGMENT.test(name)).sort();
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
    let total = sizes.reduce((sum, size) => sum + size, 0);
    for (const [i, name] of names.entries()) {
      if (total <= limit) break;
      await rm(join(folder, name), { force: true });
      total -= sizes[i] ?? 0;
    }
  }
}

/** Writes lines. Rejects with {@link TooLarge} before the file has more than `most` bytes. */
async function append(file: OpenSegment, lines: Iterable<string>, most = Number.POSITIVE_INFINITY): Promise<void> {
  let chunk: string[] = [];
  let length = 0;
  const write = async (): Promise<void> => {
    const bytes = Buffer.from(chunk.join(""));
    if (file.size + bytes.length > most)
      throw new TooLarge(
        `the state of the cluster takes more than ${most} bytes, three eighths of the limit: increase --record-limit`,
      );
    await file.handle.appendFile(bytes);
    file.size += bytes.length;
    chunk = [];
    length = 0;
  };
  for (const line of lines) {
    chunk.push(line, "\n");
    length += line.length + 1;
    if (length >= CHUNK) await write();
  }
  if (length > 0) await write();
}
