// SPDX-License-Identifier: Apache-2.0

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
