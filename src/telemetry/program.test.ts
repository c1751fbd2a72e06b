// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import t from "tap";

const MODULE = JSON.stringify(new URL("./program.ts", import.meta.url).href);

/** Runs a program with `main` (the text of a function) until it has printed a line, sends the signals, and resolves with its end. */
async function ended(main: string, ...signals: readonly NodeJS.Signals[]) {
  const script = `import { runUntilStopped, stopOnSignals } from ${MODULE};
const log = { info: (_, text) => console.log(text), error: ({ err }, text) => console.log(text + ": " + err.message) };
runUntilStopped("weft-test", ${main});`;
  const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", script]);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  if (signals.length > 0) await once(child.stdout, "data");
  for (const signal of signals) child.kill(signal);
  const [code] = await once(child, "close");
  return { code, out: out.split("\n").filter((line) => line !== ""), err };
}

/** A program that stops by `stop`, the text of an expression. */
const program = (stop: string): string =>
  `async () => { const busy = setInterval(() => {}, 1000); stopOnSignals(log, () => ${stop}); console.log("ready"); }`;

t.test("a program that cannot start says why and ends with 1", async (t) => {
  const { code, err } = await ended(`async () => { throw new Error("no database") }`);
  t.equal(code, 1);
  t.match(err, /^failed to start weft-test: Error: no database\n {4}at /);
  t.match(await ended(`async () => { throw "text" }`), { code: 1, err: "failed to start weft-test: text\n" });
});

t.test("SIGTERM and SIGINT stop a program once, and it ends when it has stopped", async (t) => {
  const stop = `new Promise((resolve) => setTimeout(() => { console.log("stopped"); resolve(); }, 50))`;
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    t.match(await ended(program(stop), signal, signal), { code: 0, out: ["ready", "stopping", "stopped"] });
});

t.test("a program that cannot stop ends with 1", async (t) => {
  const { code, out } = await ended(program(`Promise.reject(new Error("stuck"))`), "SIGTERM");
  t.strictSame([code, out], [1, ["ready", "stopping", "failed to stop: stuck"]]);
});
