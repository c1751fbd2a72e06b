// SPDX-License-Identifier: Apache-2.0

import { createInterface } from "node:readline/promises";

/** Asks on the terminal; true only for "y" or "yes". Without a terminal: false. */
export async function confirmOnTerminal(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

/** Prints a line of progress, on standard error, so that standard output contains only the answer. */
export function say(line: string): void {
  console.error(line);
}

/**
 * Calls `action` with a signal that fires at Ctrl-C and SIGTERM; a second one ends the process at once. Calls of the
 * API server that take no signal are short.
 */
export async function untilInterrupted<R>(action: (signal: AbortSignal) => Promise<R>): Promise<R> {
  const control = new AbortController();
  const stop = (): void => {
    if (control.signal.aborted) process.exit(130);
    console.error("interrupted; cleaning up");
    control.abort(new Error("interrupted"));
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    return await action(control.signal);
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}
