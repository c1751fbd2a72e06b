// SPDX-License-Identifier: Apache-2.0

import { globSync } from "node:fs";
import t from "tap";
import {
  labStages,
  NO_KUBE_PROXY,
  NON_PRIMARY,
  type PlanStage,
  RELEASE,
  SMOKE,
  THREE_CENTRALS,
  THREE_NODES,
  unitFiles,
} from "./plan.ts";

const filesOf = (stages: readonly PlanStage[]): readonly string[] => stages.flatMap(({ lanes }) => lanes.flat());

t.test("each test file of the unit tier and of the lab runs exactly once", async (t) => {
  const unit = globSync([
    "src/**/*.test.ts",
    "hack/**/*.test.ts",
    "test/{policy-oracle,histories,stability}/**/*.test.ts",
  ]);
  t.same([...unitFiles()].sort(), unit.sort());
  const lab = filesOf(labStages(SMOKE));
  t.same([...lab].sort(), globSync("test/e2e/smoke/*.test.ts").sort());
});

t.test("each file of the lab's tests is in the plan", async (t) => {
  const planned = new Set(
    filesOf(labStages([...SMOKE, ...RELEASE, ...THREE_NODES, ...THREE_CENTRALS, ...NO_KUBE_PROXY, ...NON_PRIMARY])),
  );
  t.same(
    globSync("test/e2e/**/*.test.ts").filter((file) => !planned.has(file)),
    [],
  );
  t.same(filesOf(labStages(THREE_NODES)), [
    "test/e2e/three-nodes/gateway-failover.test.ts",
    "test/e2e/three-nodes/nat-failover.test.ts",
    "test/e2e/three-nodes/node-eip-failover.test.ts",
  ]);
});

t.test(
  "the documentation's examples begin; what kills processes has nothing beside it on the lab, and what counts datagrams comes after the unit tests",
  async (t) => {
    const stages = labStages(SMOKE);
    t.same(stages[0]?.lanes[0], ["test/e2e/smoke/docs.test.ts"]);
    const stageOf = (name: string) =>
      stages.find((stage) => filesOf([stage]).includes(`test/e2e/smoke/${name}.test.ts`));
    for (const name of ["policy", "security-groups", "repair", "leader", "quiet", "first-packet", "node-state"])
      t.same(stageOf(name), { lanes: [[`test/e2e/smoke/${name}.test.ts`]], besideUnitTests: false });
    for (const name of ["churn", "objects"])
      t.same(stageOf(name)?.lanes, [[`test/e2e/smoke/${name}.test.ts`]], "nothing else on the lab");
    const alone = stages.findIndex(({ besideUnitTests }) => !besideUnitTests);
    t.ok(alone > 0);
    t.notOk(stages.slice(alone).some(({ besideUnitTests }) => besideUnitTests));
  },
);

t.test("tiers of a part of these files have no stage without files", async (t) => {
  for (const stage of labStages(NO_KUBE_PROXY)) t.ok(filesOf([stage]).length > 0);
});
