// SPDX-License-Identifier: Apache-2.0

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { StabilityError, textOf } from "../errors.ts";
import { UNDO_STEP, type UndoStep } from "./undo-step.ts";

const LINE = z.union([
  z.strictObject({ target: z.string(), options: z.unknown() }),
  z.strictObject({ id: z.int(), step: UNDO_STEP }),
  z.strictObject({ done: z.int() }),
]);

/** The steps that a killed run left in the journal. */
export interface Unfinished {
  /** The name and the options of the target plugin. */
  readonly target: { readonly name: string; readonly options: unknown };
  /** The steps to undo, the last first; none if the run was killed between two of them. */
  readonly steps: readonly { readonly id: number; readonly step: UndoStep }[];
}

/**
 * The steps to undo, on disk: each is written before its change, and stays until the change is undone, also if this process is killed in between.
 * A line is a JSON object; an incomplete last line is ignored, because its change was not made.
 */
export class UndoJournal {
  readonly #path: string;
  #file: number | undefined;
  #next = 1;
  readonly #open = new Map<number, UndoStep>();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The steps of an earlier run; undefined if there are none. Throws StabilityError `state` if the file is not a
   * journal.
   */
  unfinished(): Unfinished | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch {
      return undefined;
    }
    const lines = text.split("\n");
    lines.pop();
    let target: Unfinished["target"] | undefined;
    const open = new Map<number, UndoStep>();
    for (const [index, line] of lines.entries()) {
      const entry = this.#read(line, index + 1);
      if ("target" in entry) target = { name: entry.target, options: entry.options };
      else if ("step" in entry) open.set(entry.id, entry.step);
      else open.delete(entry.done);
    }
    if (target === undefined) return undefined;
    return { target, steps: [...open].map(([id, step]) => ({ id, step })).reverse() };
  }

  #read(line: string, number: number): z.output<typeof LINE> {
    try {
      return LINE.parse(JSON.parse(line));
    } catch (error) {
      const message = `${this.#path}:${number} is not a line of a journal; undo what it says by hand and delete it: ${textOf(error)}`;
      throw new StabilityError("state", message, { cause: error });
    }
  }

  /** Begins a run on a target. Former steps must have been undone. */
  begin(target: Unfinished["target"]): void {
    this.end();
    mkdirSync(dirname(this.#path), { recursive: true });
    this.#file = openSync(this.#path, "w");
    this.#append({ target: target.name, options: target.options ?? null });
  }

  /** Records a step; to be called before its change. Returns its number. */
  record(step: UndoStep): number {
    const id = this.#next++;
    this.#append({ id, step });
    this.#open.set(id, step);
    return id;
  }

  /** A step has been undone, or its change has ended by itself. */
  done(id: number): void {
    if (!this.#open.delete(id)) return;
    this.#append({ done: id });
  }

  /** The present steps to undo, the last first. */
  open(): readonly { readonly id: number; readonly step: UndoStep }[] {
    return [...this.#open].map(([id, step]) => ({ id, step })).reverse();
  }

  /** Ends a run: deletes the file if nothing is left to undo. */
  end(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    if (this.#open.size === 0) rmSync(this.#path, { force: true });
  }

  /** Forgets the steps of an earlier run, which have been undone. */
  forget(): void {
    rmSync(this.#path, { force: true });
  }

  #append(line: z.output<typeof LINE>): void {
    if (this.#file === undefined) throw new StabilityError("state", "the journal is not open");
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    fsyncSync(this.#file);
  }
}
