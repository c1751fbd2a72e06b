// SPDX-License-Identifier: Apache-2.0

import { pino } from "pino";
import { Registry } from "prom-client";
import t from "tap";
import { LogLines } from "./log-lines.ts";

t.test("lines that are written are counted by level, others are not", async (t) => {
  const lines = new LogLines();
  const written: string[] = [];
  const log = pino({ level: "info", hooks: lines.hooks }, { write: (line: string) => written.push(line) });
  log.error("a");
  log.fatal("b");
  log.child({ node: "n1" }).warn("c");
  log.info("d");
  log.debug("e");
  t.equal(written.length, 4);
  const registry = new Registry();
  lines.register(registry);
  for (const text of [await registry.metrics(), await registry.metrics()])
    t.match(text, /level="ERROR"} 2\n.*level="WARN"} 1\n.*level="INFO"} 1\n/s);
});
