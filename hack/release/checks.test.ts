// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type CheckoutState, problems } from "./checks.ts";

const RELEASE: CheckoutState = {
  version: "1.2.3",
  chart: { version: "1.2.3", appVersion: "1.2.3" },
  changelog: "## [1.2.3] - 2026-12-01\n\n- Something.\n",
  changes: [],
  tags: ["v1.2.3"],
};
const STRICT = { dryRun: false, allowDirty: false };
const DRY = { dryRun: true, allowDirty: false };

t.test("a clean, tagged commit with notes can be released", (t) => {
  t.strictSame(problems(RELEASE, STRICT), []);
  t.strictSame(problems({ ...RELEASE, version: "1.2.3-rc.1" }, STRICT).length, 4, "chart, appVersion, notes, tag");
  t.end();
});

for (const [what, change, message] of [
  ["a dirty tree", { changes: [" M a", "?? b", "?? c", "?? d"] }, "not committed:  M a, ?? b, ?? c and 1 more"],
  ["a version that the changelog lacks", { changelog: "## [Unreleased]\n\n- x\n" }, 'lacks "## [1.2.3] - DATE"'],
  ["a commit without the tag", { tags: ["v1.2.2"] }, "no tag v1.2.3 (but v1.2.2)"],
  ["a chart of another version", { chart: { version: "1.2.2", appVersion: "1.2.3" } }, "version is 1.2.2, not 1.2.3"],
  ["a chart of another image", { chart: { version: "1.2.3", appVersion: "1.2" } }, "appVersion is 1.2, not 1.2.3"],
] as const) {
  t.test(`${what} is refused`, (t) => {
    const found = problems({ ...RELEASE, ...change }, STRICT);
    t.equal(found.length, 1);
    t.ok(found[0]?.includes(message), found.join());
    t.end();
  });
}

for (const version of ["1.2", "v1.2.3", "1.2.3+build", "01.2.3", "latest"]) {
  t.test(`${version} is no version`, (t) => {
    t.match(problems({ ...RELEASE, version }, STRICT)[0], "is not a semantic version");
    t.end();
  });
}

t.test("a dry run needs no tag and takes what is unreleased, but no dirty tree unless that is allowed", (t) => {
  const state = { ...RELEASE, tags: [], changelog: "## [Unreleased]\n\n- x\n", changes: [] };
  t.strictSame(problems(state, DRY), []);
  const dirty = { ...state, changes: ["?? a"] };
  t.equal(problems(dirty, DRY).length, 1);
  t.strictSame(problems(dirty, { ...DRY, allowDirty: true }), []);
  t.match(problems({ ...state, changelog: "" }, DRY), ["CHANGELOG.md has neither"]);
  t.end();
});
