// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { openLog } from "./open-log.ts";

/** More than a pipe holds and the process keeps. */
const LINES = 20_000;

/** Logs {@link LINES} lines, sends the number of dropped ones, and ends when it is told to. */
const WRITER = `
import { Registry } from "prom-client";
import { openLog } from "${new URL("open-log.ts", import.meta.url).href}";
const registry = new Registry();
const log = openLog(registry, { level: "info" });
for (let n = 0; n < ${LINES}; n++) log.info({ n }, "x".repeat(100));
process.on("message", () => process.exit());
process.send(await registry.getSingleMetric("weft_log_lines_dropped_total").get());
`;

/** Starts the writer. Its standard output is a pipe that is read only on demand. */
function startWriter(t: Test) {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", WRITER], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  if (child.stdout === null) throw new Error("no pipe");
  const dropped = once(child, "message").then(([metric]): number => metric.values[0].value);
  return { child, log: child.stdout, dropped };
}

t.test("a process whose log is not read goes on, and says how many lines it has dropped", async (t) => {
  const { child, log, ...writer } = startWriter(t);
  const dropped = await writer.dropped;
  t.ok(dropped > 0 && dropped < LINES, `${dropped} lines are dropped`);
  const read: number[] = [];
  for await (const line of createInterface({ input: log })) {
    const { n, lines, msg } = JSON.parse(line);
    if (msg === "lines of the log were dropped, because nothing read it") {
      t.equal(lines, dropped);
      break;
    }
    read.push(n);
  }
  t.same(read, [...Array(LINES - dropped).keys()], "the first lines, without gaps");
  child.send("end");
  await once(child, "exit");
});

t.test("a log whose reader is gone does not end the process", async (t) => {
  const { child, log, dropped } = startWriter(t);
  log.destroy();
  t.ok((await dropped) > 0);
  child.send("end");
  t.same(await once(child, "exit"), [0, null]);
});

t.test("a log may be a file", async (t) => {
  const path = join(t.testdir(), "log");
  const fd = openSync(path, "w");
  t.teardown(() => closeSync(fd));
  openLog(new Registry(), { base: null }, fd).info("written");
  t.match(readFileSync(path, "utf8"), '"msg":"written"');
});

t.test("the time of a line is in RFC 3339, as in Kubernetes' own logs", async (t) => {
  const path = join(t.testdir(), "log");
  const fd = openSync(path, "w");
  t.teardown(() => closeSync(fd));
  openLog(new Registry(), { base: null }, fd).info("written");
  t.match(JSON.parse(readFileSync(path, "utf8")).time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});
