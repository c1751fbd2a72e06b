// SPDX-License-Identifier: Apache-2.0

import type { LoggerOptions } from "pino";
import { Counter, type Registry } from "prom-client";

/** pino's number of a level → its name in {@link LogLines}; levels below `info` are not counted. */
const LEVELS: readonly (readonly [number, string])[] = [
  [50, "ERROR"],
  [40, "WARN"],
  [30, "INFO"],
];

/** Counts lines of a log. */
export class LogLines {
  readonly #counts = new Map(LEVELS.map(([, name]) => [name, 0]));

  /** For pino's option `hooks`. A line that is not written, because of the level, is not counted. */
  readonly hooks: NonNullable<LoggerOptions["hooks"]>;

  constructor() {
    const counts = this.#counts;
    this.hooks = {
      logMethod(args, method, level) {
        const name = LEVELS.find(([least]) => level >= least)?.[1];
        if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
        method.apply(this, args);
      },
    };
  }

  /** Registers the counter, under Kube-OVN's name. */
  register(registry: Registry): void {
    const counts = this.#counts;
    new Counter({
      name: "klog_lines_total",
      help: "Lines of the log, by level",
      labelNames: ["level"],
      registers: [registry],
      collect() {
        this.reset();
        for (const [level, count] of counts) this.inc({ level }, count);
      },
    });
  }
}
