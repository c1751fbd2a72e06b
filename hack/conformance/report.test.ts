// SPDX-License-Identifier: Apache-2.0

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "tap";
import { readReports, reportName, specResults } from "./report.ts";

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

await test("the last result of a spec counts, by the reports of a folder", async (t) => {
  const folder = t.testdir();
  t.same(await readReports(join(folder, "absent")), []);
  const at = (hour: number): string => join(folder, reportName(new Date(Date.UTC(2026, 0, 1, hour))));
  const write = (hour: number, ...reports: Parameters<typeof specResults>[0]): Promise<void> =>
    writeFile(at(hour), JSON.stringify(reports));
  await write(
    1,
    spec("a", "passed"),
    spec("b", "failed"),
    spec("", "failed", "SynchronizedBeforeSuite", "no API server"),
  );
  await write(10, spec("b", "passed"), spec("c", "failed"));
  const outcomes = async (): Promise<readonly string[]> =>
    (await readReports(folder)).map(({ name, outcome }) => `${name.slice(-1)} ${outcome}`);
  t.same(await outcomes(), ["a passed", "b passed", "c failed"], "no failure of an earlier run's suite");
  await writeFile(at(11), '[{"SpecReports": [');
  t.same(await outcomes(), ["a passed", "b passed", "c failed"], "an incomplete report counts as none");
  await write(12, spec("a", "failed"));
  t.same(await outcomes(), ["a failed", "b passed", "c failed"]);
});
