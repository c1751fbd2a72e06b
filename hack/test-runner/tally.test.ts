// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { Tally } from "./tally.ts";
import type { FileResult } from "./test-file.ts";

function result(file: string, failedTests: readonly string[] = [], more: Partial<FileResult> = {}): FileResult {
  const failed = failedTests.length;
  return { file, passed: 5, failed, skipped: 0, milliseconds: 1, failedTests, report: "", ...more };
}

t.test("the closing line counts, and names each file that failed with a few of its tests", async (t) => {
  const tally = new Tally();
  tally.addCheck("lint", true);
  tally.addCheck("types", false);
  tally.addFile(result("a.test.ts", [], { skipped: 2 }));
  tally.addFile(result("b.test.ts", ["one", "two", "three", "four", "five"]));
  tally.addFile(result("c.test.ts", [], { failed: 1, passed: 0 }));
  t.equal(
    tally.toString(),
    '11 passed, 7 failed, 2 skipped: types; b.test.ts ("one", "two", "three", 2 more); c.test.ts',
  );
  t.notOk(tally.ok);
});

t.test("one file that passes only on its second try is said, and a second one fails the run", async (t) => {
  const tally = new Tally();
  tally.addFile(result("a.test.ts"));
  tally.addFlaky(result("a.test.ts", ["slow"]));
  t.ok(tally.ok);
  t.equal(tally.toString(), '5 passed, 0 failed; 1 passed only on the second try: a.test.ts ("slow")');
  tally.addFile(result("b.test.ts"));
  tally.addFlaky(result("b.test.ts", ["late"]));
  t.notOk(tally.ok);
  t.match(tally.toString(), '2 passed only on the second try: a.test.ts ("slow"); b.test.ts ("late") (more than 1');
});

t.test("a run in which nothing passed has not passed", async (t) => {
  t.notOk(new Tally().ok);
});
