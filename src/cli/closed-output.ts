// SPDX-License-Identifier: Apache-2.0

/** As a shell reports a program that SIGPIPE has ended. */
const SIGPIPE_CODE = 128 + 13;

/**
 * Ends the process when nothing reads its standard output any more (`weftctl flows --follow | head -1`), as SIGPIPE ends other programs; JavaScript runtimes ignore that signal and throw.
 * Commands that print while something runs in the cluster listen themselves, stop it, and end. What is written to standard error, such as progress, is lost without an end: what was begun is
 * cleaned up.
 */
export function endWithOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (stream === process.stdout && stream.listenerCount("error") === 1) process.exit(SIGPIPE_CODE);
    });
  }
}
