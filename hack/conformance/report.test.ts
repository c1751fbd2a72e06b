// SPDX-License-Identifier: Apache-2.0

import { test } from "tap";
import { specResults } from "./report.ts";

const spec = (
  LeafNodeText: string,
  State: string,
  LeafNodeType = "It",
  Message?: string,
): Parameters<typeof specResults>[0][0] => ({
  SpecReports: [
    {
      ContainerHierarchyTexts: ["[sig-network] Services"],
      LeafNodeType,
      LeafNodeText,
      State,
      RunTime: 2_000_000_000,
      ...(Message === undefined ? {} : { Failure: { Message } }),
    },
  ],
});

await test("the results of an e2e run are those of the specs that were selected, by name", async (t) => {
  const reports = [
    spec("b", "passed"),
    spec("a", "failed", "It", "no answer"),
    spec("not selected", "skipped"),
    spec("c", "skipped", "It", "need 3 zones"),
    spec("d", "timedout"),
  ];
  t.same(specResults(reports), [
    { name: "[sig-network] Services a", outcome: "failed", ms: 2000, message: "no answer" },
    { name: "[sig-network] Services b", outcome: "passed", ms: 2000, message: "" },
    { name: "[sig-network] Services c", outcome: "skipped", ms: 2000, message: "need 3 zones" },
    { name: "[sig-network] Services d", outcome: "failed", ms: 2000, message: "timedout" },
  ]);
});

await test("a suite that fails before its specs is no success", async (t) => {
  const suite = [spec("", "passed", "BeforeSuite"), spec("", "failed", "SynchronizedBeforeSuite", "no API server")];
  t.match(specResults(suite), [{ name: /SynchronizedBeforeSuite$/, outcome: "failed" }]);
  t.equal(specResults(suite).length, 1);
});
