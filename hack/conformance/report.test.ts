// SPDX-License-Identifier: Apache-2.0

import { test } from "tap";
import { specResults } from "./report.ts";

const spec = (LeafNodeText: string, State: string, LeafNodeType = "It"): Parameters<typeof specResults>[0][0] => ({
  SpecReports: [
    {
      ContainerHierarchyTexts: ["[sig-network] Services"],
      LeafNodeType,
      LeafNodeText,
      State,
      RunTime: 2_000_000_000,
      ...(State === "failed" ? { Failure: { Message: "no answer" } } : {}),
    },
  ],
});

await test("the results of an e2e run are those of the specs that ran, by name", async (t) => {
  t.same(specResults([spec("b", "passed"), spec("a", "failed"), spec("c", "skipped"), spec("d", "timedout")]), [
    { name: "[sig-network] Services a", passed: false, ms: 2000, message: "no answer" },
    { name: "[sig-network] Services b", passed: true, ms: 2000, message: "" },
    { name: "[sig-network] Services d", passed: false, ms: 2000, message: "timedout" },
  ]);
});

await test("a suite that fails before its specs is no success", async (t) => {
  const suite = [spec("", "passed", "BeforeSuite"), spec("", "failed", "SynchronizedBeforeSuite")];
  t.match(specResults(suite), [{ name: /SynchronizedBeforeSuite$/, passed: false }]);
  t.equal(specResults(suite).length, 1);
});
