// SPDX-License-Identifier: Apache-2.0

import { globSync } from "node:fs";
import t from "tap";
import { labStages, SMOKE, unitFiles } from "./plan.ts";

t.test("each test file of the unit tier and of the lab runs exactly once", async (t) => {
  const unit = globSync(["src/**/*.test.ts", "hack/**/*.test.ts", "test/policy-oracle/**/*.test.ts"]);
  t.same([...unitFiles()].sort(), unit.sort());
  const lab = labStages(SMOKE).flat(2);
  t.same([...lab].sort(), globSync("test/e2e/smoke/*.test.ts").sort());
});

t.test("only the documentation's examples have something beside them", async (t) => {
  const [first, ...others] = labStages(SMOKE);
  t.same(first?.[0], ["test/e2e/smoke/docs.test.ts"]);
  t.ok((first?.[1]?.length ?? 0) > 1);
  for (const stage of others) t.equal(stage.flat().length, 1);
});
