// SPDX-License-Identifier: Apache-2.0

import { globSync } from "node:fs";
import t from "tap";
import { labStages, NO_KUBE_PROXY, RELEASE, SMOKE, THREE_NODES, unitFiles } from "./plan.ts";

t.test("each test file of the unit tier and of the lab runs exactly once", async (t) => {
  const unit = globSync([
    "src/**/*.test.ts",
    "hack/**/*.test.ts",
    "test/{policy-oracle,histories,stability}/**/*.test.ts",
  ]);
  t.same([...unitFiles()].sort(), unit.sort());
  const lab = labStages(SMOKE).flat(2);
  t.same([...lab].sort(), globSync("test/e2e/smoke/*.test.ts").sort());
});

t.test("each file of the lab's tests is in the plan", async (t) => {
  const planned = new Set(labStages([...SMOKE, ...RELEASE, ...THREE_NODES, ...NO_KUBE_PROXY]).flat(2));
  t.same(
    globSync("test/e2e/**/*.test.ts").filter((file) => !planned.has(file)),
    [],
  );
  t.same(labStages(THREE_NODES).flat(2), ["test/e2e/three-nodes/gateway-failover.test.ts"]);
});

t.test(
  "the documentation's examples begin, and what counts datagrams or kills processes has nothing beside it",
  async (t) => {
    const stages = labStages(SMOKE);
    t.same(stages[0]?.[0], ["test/e2e/smoke/docs.test.ts"]);
    for (const name of [
      "policy",
      "security-groups",
      "churn",
      "repair",
      "leader",
      "quiet",
      "first-packet",
      "node-state",
      "objects",
    ]) {
      const stage = stages.find((lanes) => lanes.flat().includes(`test/e2e/smoke/${name}.test.ts`));
      t.equal(stage?.flat().length, 1, name);
    }
  },
);

t.test("tiers of a part of these files have no stage without files", async (t) => {
  for (const stage of labStages(NO_KUBE_PROXY)) t.ok(stage.flat().length > 0);
});
