// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
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
