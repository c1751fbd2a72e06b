// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { Shown } from "./serve.ts";

/** The values of the processes' flags for their log's level: pino's. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** What can be set at run time: not so little that the errors of a process in use are lost. */
const LEVELS: readonly string[] = LOG_LEVELS.slice(0, 5);
const PATH = "/debug/log-level";

/**
 * `GET /debug/log-level` shows the level of a log, and `POST /debug/log-level?level=debug` changes it until the process ends. It applies to the
 * logger itself, not to existing child loggers.
 */
export function logLevelPage(log: Pick<Logger, "level" | "info">): Required<Pick<Shown, "pages" | "actions">> {
  const shown = (): unknown => ({ level: log.level });
  return {
    pages: { [PATH]: shown },
    actions: {
      [PATH]: (query) => {
        const level = query.get("level") ?? "";
        if (!LEVELS.includes(level)) throw new Error(`level must be one of: ${LEVELS.join(", ")}`);
        const former = log.level;
        log.info({ former, level }, "log level changed");
        log.level = level;
        return shown();
      },
    },
  };
}
