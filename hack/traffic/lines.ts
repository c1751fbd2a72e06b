// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { createInterface } from "node:readline";
import { LabError } from "../lab/error.ts";

/** A program that runs in a network namespace and prints a line for each observation. */
export interface LineProgram {
  /** The lines so far. */
  readonly lines: readonly string[];
  /**
   * Waits until `wanted` is true for the lines so far; rejects with LabError `timed-out` after `ms` milliseconds,
   * with the last ones.
   */
  until(what: string, wanted: (lines: readonly string[]) => boolean, ms: number): Promise<void>;
  /** Ends it by closing its standard input; all lines. */
  stop(): Promise<readonly string[]>;
}

/** Starts a Node program in a network namespace; resolves with its first line, which says that it is ready and is none of the others. */
export async function startLines(netns: string, script: string, args: readonly string[]): Promise<LineProgram> {
  const child = spawn("nsenter", [`--net=${netns}`, process.execPath, script, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const ready = Promise.withResolvers<void>();
  child.once("exit", (code) =>
    ready.reject(new LabError("part-failed", `${args.join(" ")} in ${netns} ended at once (exit code ${code})`)),
  );
  const closed = once(child, "close");
  let begun = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (begun) lines.push(line);
    begun = true;
    ready.resolve();
    for (const listener of listeners) listener();
  });
  await ready.promise;
  // A test that fails before it stops the program must be able to end; the program ends with the test's process.
  child.unref();
  for (const pipe of [child.stdin, child.stdout]) if (pipe instanceof Socket) pipe.unref();
  return {
    lines,
    async until(what, wanted, ms) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const check = (): void => {
        if (wanted(lines)) resolve();
      };
      const last = (): string => `${lines.length} lines, the last: ${JSON.stringify(lines.slice(-5))}`;
      const timer = setTimeout(
        () => reject(new LabError("timed-out", `${what}: timed out after ${ms / 1000} s (${last()})`)),
        ms,
      );
      listeners.add(check);
      try {
        check();
        await promise;
      } finally {
        clearTimeout(timer);
        listeners.delete(check);
      }
    },
    async stop() {
      child.ref();
      child.stdin.end();
      await closed;
      return lines;
    },
  };
}
