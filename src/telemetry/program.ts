// SPDX-License-Identifier: Apache-2.0

import process from "node:process";
import type { Logger } from "pino";

/** Runs a program of a container, such as `weft-daemon`, until it stops. If `main` fails, the process ends with exit code 1 and says why. */
export function runUntilStopped(name: string, main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`failed to start ${name}: ${why}\n`);
    process.exit(1);
  });
}

/** Ends the process on the first SIGTERM or SIGINT, when `stop` resolves; with exit code 1 if it rejects. Further signals change nothing. */
export function stopOnSignals(log: Pick<Logger, "info" | "error">, stop: () => Promise<unknown>): void {
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log.info({ signal }, "stopping");
      stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, "failed to stop");
          process.exit(1);
        },
      );
    });
  }
}
