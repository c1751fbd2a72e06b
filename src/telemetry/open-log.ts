// SPDX-License-Identifier: Apache-2.0

import { type Logger, type LoggerOptions, pino, stdTimeFunctions } from "pino";
import { Counter, type Registry } from "prom-client";
import { LogLines } from "./log-lines.ts";
import { logOutput } from "./log-output.ts";

/**
 * The log of a process, written to `fd`, by default its standard output: JSON, with times in RFC 3339. Its lines are counted in the registry. It never makes the process wait, see
 * {@link logOutput}; what that costs is logged, and counted too.
 */
export function openLog(registry: Registry, options: Omit<LoggerOptions, "hooks" | "timestamp">, fd = 1): Logger {
  const lines = new LogLines();
  lines.register(registry);
  const total = new Counter({
    name: "weft_log_lines_dropped_total",
    help: "Lines of the log that were dropped because nothing read it",
    registers: [registry],
  });
  let dropped = 0;
  const onDrop = (): void => {
    dropped += 1;
    total.inc();
  };
  const onRead = (): void => {
    if (dropped === 0) return;
    log.warn({ lines: dropped }, "lines of the log were dropped, because nothing read it");
    dropped = 0;
  };
  const log = pino(
    { ...options, hooks: lines.hooks, timestamp: stdTimeFunctions.isoTime },
    logOutput(fd, onDrop, onRead),
  );
  return log;
}
