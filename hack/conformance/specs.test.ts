// SPDX-License-Identifier: Apache-2.0

import { test } from "tap";
import { specCommand } from "./specs.ts";

const specs = { program: "/cache/e2e.test-v1", focus: "a", skip: "", limit: "3h", args: ["--kubeconfig=/k"] };

await test("one process is the program of the specs itself", async (t) => {
  t.same(specCommand(specs, "/lab/e2e.test", "/lab/report-1.json"), [
    "/cache/e2e.test-v1",
    "--kubeconfig=/k",
    "--ginkgo.focus=a",
    "--ginkgo.timeout=3h",
    "--ginkgo.json-report=/lab/report-1.json",
    "--ginkgo.v",
    "--ginkgo.no-color",
  ]);
});

await test("several processes are started by Ginkgo's command, and write one report in the suite's folder", async (t) => {
  const parallel = { ginkgo: "/cache/ginkgo", procs: 3 };
  t.same(specCommand({ ...specs, skip: "b", parallel }, "/lab/e2e.test", "/lab/report-1.json"), [
    "/cache/ginkgo",
    "--procs=3",
    "--focus=a",
    "--skip=b",
    "--timeout=3h",
    "--json-report=report-1.json",
    "--v",
    "--no-color",
    "/lab/e2e.test",
    "--",
    "--kubeconfig=/k",
  ]);
});
