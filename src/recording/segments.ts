// SPDX-License-Identifier: Apache-2.0

import { type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../time/clock.ts";
import { SEGMENT } from "./read.ts";
import type { LineSink } from "./recorder.ts";

/** What a {@link SegmentWriter} is made of. */
export interface SegmentWriterParts {
  /** Made if it is not there, for its owner only. */
  readonly folder: string;
  /** Bytes that all segments together have at most. */
  readonly limit: number;
  readonly process: string;
  readonly clock: Pick<Clock, "wall" | "after">;
  readonly onError: (error: unknown, message: string) => void;
}

/**
 * Of so many parts of the limit the files before have eight at most, the beginning of the present one six, what follows it one, and what waits to be written
 * one.
 */
const PARTS = 16;
/** How the line of a transaction begins. */
const COMMIT = '{"line":"commit"';
/** So much is written at once, in bytes. */
const CHUNK = 256 * 1024;
/** After a failure nothing is written for so long, in ms. */
const PAUSE_MS = 60_000;

/** Writes lines to files of a folder, in the order in which they come, and removes the oldest files. Whoever hands them over never waits. */
export class SegmentWriter implements LineSink {
  readonly #parts: SegmentWriterParts;
  readonly #snapshot: () => Iterable<string>;
  #waiting: string[] = [];
  #bytes = 0;
  #file: { readonly handle: FileHandle; readonly base: number; size: number } | undefined;
  /** Lines were dropped, or a write failed: what follows needs a new beginning. */
  #broken = false;
  #ending = false;
  #paused = false;
  #busy: Promise<void> | undefined;

  constructor(parts: SegmentWriterParts, snapshot: () => Iterable<string>) {
    this.#parts = parts;
    this.#snapshot = snapshot;
  }

  write(line: string): void {
    this.#ending = false;
    if (this.#paused || this.#bytes + line.length > this.#parts.limit / PARTS) {
      this.#drop();
    } else if (!this.#broken) {
      this.#waiting.push(line);
      this.#bytes += line.length;
    }
    this.#pump();
  }

  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** Resolves when what it has been given is written, or dropped. */
  async idle(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy;
  }

  #drop(): void {
    this.#waiting = [];
    this.#bytes = 0;
    this.#broken = true;
  }

  #pump(): void {
    this.#busy ??= this.#run().finally(() => {
      this.#busy = undefined;
    });
  }

  async #run(): Promise<void> {
    try {
      while (!this.#paused) {
        if (this.#broken) await this.#close();
        if (this.#waiting.length === 0 && (this.#ending || !this.#broken)) break;
        if (this.#file === undefined) await this.#begin();
        await this.#flush();
        if (this.#isFull()) await this.#close();
      }
      if (this.#ending) await this.#close();
    } catch (error) {
      this.#parts.onError(error, `failed to record to ${this.#parts.folder}; retrying in ${PAUSE_MS / 1_000} s`);
      this.#drop();
      await this.#close().catch(() => undefined);
      this.#paused = true;
      this.#parts.clock.after(PAUSE_MS, () => {
        this.#paused = false;
      });
    }
  }

  #isFull(): boolean {
    const { size = 0, base = 0 } = this.#file ?? {};
    return size - base > this.#parts.limit / PARTS;
  }

  async #flush(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    if (lines.length > 0) await this.#append(lines);
  }

  /** A new segment, with all that is known now: what waits is part of it. */
  async #begin(): Promise<void> {
    const { folder, limit, process, clock } = this.#parts;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // With the new one there is room for the largest beginning and for what follows it.
    await this.#removeOldest(limit / 2);
    const time = new Date(clock.wall()).toISOString().replaceAll(/[-:]/g, "");
    const name = `weft-${time}-${process.replaceAll(/[^A-Za-z0-9.-]/g, "_")}.ndjson`;
    const handle = await open(join(folder, name), "w", 0o600);
    this.#file = { handle, base: 0, size: 0 };
    // From here to the snapshot nothing else runs: it has what waits, and nothing that comes later. A transaction that it has is recorded as well, for its time.
    const commits = this.#waiting.filter((line) => line.startsWith(COMMIT));
    this.#waiting = [];
    this.#bytes = 0;
    this.#broken = false;
    await this.#append(this.#snapshot(), (limit * 6) / PARTS);
    await this.#append(commits);
    this.#file = { ...this.#file, base: this.#file.size };
  }

  async #append(lines: Iterable<string>, most = Number.POSITIVE_INFINITY): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    let chunk: string[] = [];
    let length = 0;
    const write = async (): Promise<void> => {
      const text = chunk.join("");
      await file.handle.appendFile(text);
      file.size += Buffer.byteLength(text);
      if (file.size > most)
        throw new Error(
          `the state of the cluster takes more than ${most} bytes, three eighths of the limit: increase --record-limit`,
        );
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

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  /** Removes the oldest files until all have so many bytes together at most. */
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
