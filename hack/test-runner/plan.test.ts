// SPDX-License-Identifier: Apache-2.0

import { globSync } from "node:fs";
import t from "tap";
import { labStages, NO_KUBE_PROXY, RELEASE, SMOKE, THREE_NODES, unitFiles } from "./plan.ts";

t.test("each test file of the unit tier and of the lab runs exactly once", async (t) => {
  const unit = globSync(["src/**/*.test.ts", "hack/**/*.test.ts", "test/{policy-oracle,histories}/**/*.test.ts"]);
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

t.test("only the documentation's examples have something beside them", async (t) => {
  const [first, ...others] = labStages(SMOKE);
  t.same(first?.[0], ["test/e2e/smoke/docs.test.ts"]);
  t.ok((first?.[1]?.length ?? 0) > 1);
  for (const stage of others) t.equal(stage.flat().length, 1);
});
