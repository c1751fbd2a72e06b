// SPDX-License-Identifier: Apache-2.0

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import t from "tap";

function weftctl(...args: readonly string[]): { readonly code: number | null; readonly said: string } {
  const env = { ...process.env, KUBECONFIG: "/nonexistent/kubeconfig", NODE_OPTIONS: "" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], {
    env,
    encoding: "utf8",
  });
  return { code: status, said: stdout + stderr };
}

t.test("a question that cannot be answered ends with 2, because 1 is an answer; help with 0", async (t) => {
  for (const [args, code, said] of [
    [["policy", "explain", "a"], 2, /missing required argument 'to'/],
    [["policy", "matrix", "-n", "x"], 2, /\/nonexistent\/kubeconfig/],
    ...["plan", "status", "pod", "version"].map((name) => [[name, "--help"], 0, /Examples:/] as const),
    [["diagnose", "everything"], 2, /Allowed choices are all, node, subnet, pod, policy/],
  ] as const) {
    const answer = weftctl(...args);
    t.equal(answer.code, code, args.join(" "));
    t.match(answer.said, said);
  }
});

t.test("output that nothing reads any more ends it quietly, as SIGPIPE ends other programs", async (t) => {
  const main = join(import.meta.dirname, "main.ts");
  for (const args of [["completion", "bash"], ["--help"]]) {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    const said: Buffer[] = [];
    child.stderr.on("data", (data: Buffer) => said.push(data));
    const [code] = await once(child, "close");
    t.equal(code, 141, args.join(" "));
    t.equal(Buffer.concat(said).toString(), "");
  }
});
