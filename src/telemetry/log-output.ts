// SPDX-License-Identifier: Apache-2.0

import { fstatSync } from "node:fs";
import { Socket } from "node:net";
import { type DestinationStream, pino } from "pino";

/** Bytes kept in memory while nothing reads the log; the pipe itself holds 64 KiB (pipe(7)). */
const KEPT_BYTES = 256 * 1024;

/**
 * A destination of pino that never makes the process wait. A container's log is a pipe, and a container runtime that hangs does not read it: lines are
 * kept then, at most 256 KiB, and later ones dropped. Lines are written at once while there is room, so that a crash loses none.
 *
 * `onDrop` is called for each dropped line, `onRead` when everything that was kept is written.
 */
export function logOutput(fd: number, onDrop: () => void, onRead: () => void): DestinationStream {
  const file = fstatSync(fd);
  if (!file.isFIFO() && !file.isSocket()) return pino.destination({ dest: fd, sync: true });
  const pipe = new Socket({ fd, readable: false, writable: true });
  pipe.unref();
  pipe.on("drain", onRead);
  // The reader is gone, and with it the log.
  pipe.on("error", () => undefined);
  return {
    write(line) {
      if (pipe.destroyed || pipe.writableLength > KEPT_BYTES) onDrop();
      else pipe.write(line);
    },
  };
}
