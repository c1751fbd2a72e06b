// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t from "tap";
import { run } from "../../../hack/host/run.ts";
import { openLabTarget } from "../../stability/targets/lab/lab-target.ts";
import { testTask } from "../../stability/testing/on-lab.ts";
import { whyNoLab } from "../testing/world.ts";

const STABILITY = join(import.meta.dirname, "../../stability");

t.test(
  "components are killed under load; nothing leaks, is duplicated or stays down",
  { skip: whyNoLab(), timeout: 580_000 },
  async (t) => {
    await testTask(t, "minutes.yaml");
  },
);

t.test("the changes of a killed run are undone", { skip: whyNoLab(), timeout: 300_000 }, async (t) => {
  const state = t.testdir();
  const file = join(state, "task.yaml");
  writeFileSync(
    file,
    `title: killed
runs:
  - name: one
    context: { namespace: { name: weft-stability-killed } }
    load: [{ scenario: { pod_churn: }, runner: { constant_for_duration: { seconds: 60 } } }]
    hooks: [{ fault: freeze northd service, at: { seconds: 1 }, for: 60 }]
`,
  );
  const target = await openLabTarget();
  t.teardown(() => target.close());
  const main = join(STABILITY, "main.ts");
  const child = spawn(process.execPath, [main, file, `--state=${state}`], { stdio: ["ignore", "ignore", "pipe"] });
  t.teardown(() => child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stderr })) if (line.includes("northd on")) break;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  await t.rejects(target.converge(2_000), "northd is still stopped");
  const { stderr } = await run(process.execPath, [main, "clean", `--state=${state}`], { timeoutMs: 240_000 });
  t.match(stderr, "an earlier run was killed: undoing 2 steps on target lab");
  await target.converge(30_000);
  t.pass("northd works again");
  const namespaces = await target.kube.list({
    group: "",
    version: "v1",
    plural: "namespaces",
    namespaced: false,
    kind: "Namespace",
  });
  t.notOk(namespaces.items.some(({ metadata }) => metadata.name === "weft-stability-killed"));
});
