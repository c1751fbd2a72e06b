// SPDX-License-Identifier: Apache-2.0

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { type RunResult, run } from "../../hack/host/run.ts";
import { EXIT } from "./errors.ts";

const MAIN = join(import.meta.dirname, "main.ts");
const TASKS = join(import.meta.dirname, "tasks");

function stability(...args: readonly string[]): Promise<RunResult> {
  return run(process.execPath, [MAIN, ...args], { allowFailure: true, env: { KUBECONFIG: "/nonexistent" } });
}

t.jobs = 2;
t.setTimeout(120_000);

t.test("an invalid task has an exit code of its own, and its line", async (t) => {
  const file = join(t.testdir(), "task.yaml");
  writeFileSync(
    file,
    "title: t\nruns:\n  - name: one\n    load: [{ scenario: { pong: }, runner: { serial: { times: 1 } } }]\n",
  );
  const { code, stderr } = await stability(file, `--state=${t.testdirName}`);
  t.equal(code, EXIT.invalid);
  t.match(stderr, `${file}:4: runs[0].load[0].scenario.pong: unknown scenario "pong"`);
});

t.test("variables are values of YAML, and a task can be checked without a target", async (t) => {
  const lists = ['--set=parts=["nb"]', '--set=actions=["kill"]', "--set=repeat=4"];
  const { code, stdout } = await stability("check", join(TASKS, "parts-databases.yaml"), ...lists);
  t.equal(code, EXIT.passed);
  t.equal(
    stdout,
    [
      "Faults of OVN's databases: 6 runs on lab",
      "  traffic while nothing happens: nothing × 4",
      "  new pods while nothing happens: nothing × 4",
      "  traffic, kill nb: kill nb × 4",
      "  new pods, kill nb: kill nb × 4",
      "  traffic, stop nb: hang nb × 4",
      "  new pods, stop nb: hang nb × 4\n",
    ].join("\n"),
  );
});

t.test("a target that cannot be opened is told before anything is done", async (t) => {
  const { code, stderr } = await stability(join(TASKS, "smoke.yaml"), "--target=kubeconfig", `--state=${t.testdir()}`);
  t.equal(code, EXIT.invalid);
  t.match(stderr, /^target kubeconfig cannot be used: /m);
});

t.test("without arguments it says how it is used, which is no failed SLA", async (t) => {
  t.match(await stability(), { code: EXIT.invalid, stderr: /Usage: [\s\S]*docs\/stability\.md/ });
});

t.test("there may be nothing to clean", async (t) => {
  t.same(await stability("clean", `--state=${t.testdir()}`), { code: 0, stdout: "", stderr: "" });
});

t.test("an error of the runner itself, or of its arguments, is no failed SLA", async (t) => {
  const state = join(t.testdir({ file: "" }), "file");
  const broken = await stability(join(TASKS, "smoke.yaml"), `--state=${state}`);
  t.equal(broken.code, EXIT.broken);
  t.match(broken.stderr, /file/);
  t.match(await stability("check", "a.yaml", "--set=a"), { code: EXIT.invalid, stderr: /^error: .*NAME=VALUE/ });
});

t.test("a kubeconfig may have a colon in its path", async (t) => {
  const target = `--target=kubeconfig:${join(t.testdir(), "a:b")}`;
  t.match(await stability("check", join(TASKS, "smoke.yaml"), target), { stderr: /a:b/ });
});
