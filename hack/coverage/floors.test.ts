// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { belowFloor, byFolder, type Floors, hasCode, leastCovered, percentCovered, raised, table } from "./floors.ts";

const FOLDERS = { "src/a": { covered: 90, total: 100 }, "src/b": { covered: 1, total: 3 } };

t.test("files are counted by folder of src, and the total is not counted again", async (t) => {
  const lines = (covered: number, total: number) => ({ lines: { covered, total } });
  const summary = {
    total: lines(9, 9),
    "/x/src/a/one.ts": lines(1, 2),
    "/x/src/a/deep/two.ts": lines(3, 3),
    "/x/src/b/c.ts": lines(0, 1),
  };
  t.same(byFolder(summary, "/x"), { "src/a": { covered: 4, total: 5 }, "src/b": { covered: 0, total: 1 } });
});

t.test("the files of a folder are listed by the lines that no test runs", async (t) => {
  const lines = (covered: number, total: number) => ({ lines: { covered, total } });
  const summary = {
    total: lines(9, 9),
    "/x/src/a/one.ts": lines(1, 2),
    "/x/src/a/deep/two.ts": lines(3, 9),
    "/x/src/a/whole.ts": lines(5, 5),
    "/x/src/ab/c.ts": lines(0, 1),
  };
  t.same(leastCovered(summary, "/x", "src/a"), [
    "src/a/deep/two.ts: 6 of 9 lines are not covered",
    "src/a/one.ts: 1 of 2 lines are not covered",
  ]);
});

t.test("a folder below its floor, or without one, is a fault", async (t) => {
  t.equal(percentCovered(FOLDERS["src/b"]), 33.3);
  t.same(belowFloor(FOLDERS, { "src/a": 90, "src/b": 33.3 }), []);
  t.match(belowFloor(FOLDERS, { "src/a": 90.1, "src/b": 1 }), [/src\/a: 90 % .* 90.1 %/]);
  t.match(belowFloor(FOLDERS, { "src/a": 90 }), [/src\/b has no floor/]);
});

t.test(
  "floors are raised to just below what was measured, and never lowered; those of folders that are gone go",
  async (t) => {
    t.same(raised(FOLDERS, { "src/a": 95, "src/gone": 80 }), { "src/a": 95, "src/b": 32.8 });
    t.same(raised(FOLDERS, { "src/a": 20 }), { "src/a": 89.5, "src/b": 32.8 });
  },
);

t.test("the table has each folder with its floor, and the sum", async (t) => {
  t.match(table(FOLDERS, { "src/a": 80 }), /src\/a +100 +90 % +80 %\nsrc\/b +3 +33.3 % +none\nall +103 +88.3 %/);
});

t.test("a file of types has nothing to cover", async (t) => {
  t.notOk(
    hasCode(
      '/** A. */\nimport type { B } from "./b.ts";\nexport interface A {\n  b: B; // why\n}\nexport type C = A;\n',
    ),
  );
  t.ok(hasCode("/** A. */\nexport const a: number = 1;\n"));
});

t.test("each folder of src has a floor, and there is none of a folder that is gone", async (t) => {
  const src = join(import.meta.dirname, "../../src");
  const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const floors = JSON.parse(readFileSync(join(import.meta.dirname, "floors.json"), "utf8")) as Floors;
  t.same(Object.keys(floors).sort(), folders.map(({ name }) => `src/${name}`).sort());
});
