// SPDX-License-Identifier: Apache-2.0

/**
 * Calls `run` after everything has been read that has arrived by now. A deadline needs it: timers run before sockets are read (Node.js, "The Event Loop"), so that on a
 * process that was not scheduled for a while, an answer in time would otherwise be late. Two immediates, because `watchReadable` reads in one.
 */
export function afterReading(run: () => void): void {
  setImmediate(() => setImmediate(run));
}
