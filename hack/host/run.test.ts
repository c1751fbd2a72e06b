// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import t from "tap";
import { run } from "./run.ts";

t.test("both outputs come back as they are, and each line as it comes", async (t) => {
  const lines: string[] = [];
  const onLine = (line: string): void => void lines.push(line);
  const result = await run("sh", ["-c", "echo one; echo $WEFT_X >&2; printf end"], { env: { WEFT_X: "two" }, onLine });
  t.same(result, { code: 0, stdout: "one\nend", stderr: "two\n" });
  t.same(lines.sort(), ["end", "one", "two"]);
});

t.test("input is given, and need not be read", async (t) => {
  t.equal((await run("cat", [], { input: "text" })).stdout, "text");
  t.equal((await run("cat", [])).stdout, "", "it is empty otherwise");
  t.equal((await run("true", [], { input: "x".repeat(1_000_000) })).code, 0);
});

t.test("another end than 0 is an error with the end of what the command said", async (t) => {
  await t.rejects(run("sh", ["-c", "echo bad >&2; exit 3"]), {
    code: "command-failed",
    message: /sh -c .* exited with 3: bad$/,
  });
  t.same(await run("sh", ["-c", "exit 3"], { allowFailure: true }), { code: 3, stdout: "", stderr: "" });
  t.equal((await run("sh", ["-c", "kill -KILL $$"], { allowFailure: true })).code, 137);
});

t.test("a missing command has an error code of its own", async (t) => {
  await t.rejects(run("weft-no-such-command", [], { allowFailure: true }), { code: "command-missing" });
});

t.test("a command that takes too long is killed", async (t) => {
  await t.rejects(run("sleep", ["600"], { timeoutMs: 100, allowFailure: true }), {
    code: "timed-out",
    message: /100 ms/,
  });
});

t.test("a signal is passed to a command that is to end by itself, and this process goes on", async (t) => {
  const command = `trap : INT; sh -c 'trap "echo cleaned; exit 3" INT; echo started; while :; do sleep 0.1; done'; exit $?`;
  const program = `
    import { run } from ${JSON.stringify(import.meta.resolve("./run.ts"))};
    const onLine = (line) => process.stdout.write(line + "\\n");
    const { code } = await run("sh", ["-c", ${JSON.stringify(command)}], { forwardSignals: true, allowFailure: true, onLine });
    process.stdout.write("code " + code + "\\n");
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (output === "") child.kill("SIGINT");
    output += text;
  });
  const [code] = await once(child, "close");
  t.equal(output, "started\ncleaned\ncode 3\n");
  t.equal(code, 0);
});
