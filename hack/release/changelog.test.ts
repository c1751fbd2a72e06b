// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseChangelog, releaseNotes } from "./changelog.ts";

const TEXT = `# Changelog

## [Unreleased]

### Added

- Something new.

## [0.2.0] - 2026-12-01

### Fixed

- A \`## [heading]\` in the text.

## [0.1.0] - 2026-11-01 [YANKED]

- First.

[Unreleased]: https://example.com/compare
[0.2.0]: https://example.com/0.2.0
`;

t.test("a changelog has a section for each version, newest first, without the links of its end", (t) => {
  t.strictSame(
    parseChangelog(TEXT).map(({ version, date }) => [version, date]),
    [
      ["Unreleased", undefined],
      ["0.2.0", "2026-12-01"],
      ["0.1.0", "2026-11-01"],
    ],
  );
  t.equal(parseChangelog(TEXT).at(-1)?.notes, "- First.");
  t.end();
});

t.test("a version's notes are its section", (t) => {
  t.match(releaseNotes(TEXT, "0.2.0", false)?.notes, /^### Fixed\n\n- A `## \[heading\]` in the text\.$/);
  t.equal(releaseNotes(TEXT, "0.2.0", true)?.version, "0.2.0", "also in a dry run");
  t.end();
});

t.test("a version without a section has the unreleased one in a dry run only, and none where that is empty", (t) => {
  t.equal(releaseNotes(TEXT, "0.3.0", false), undefined);
  t.equal(releaseNotes(TEXT, "0.3.0", true)?.notes, "### Added\n\n- Something new.");
  t.equal(releaseNotes("## [Unreleased]\n\n## [0.1.0] - 2026-11-01\n\n- x\n", "0.2.0", true), undefined);
  t.equal(releaseNotes("## [0.3.0]\n\n- no date\n", "0.3.0", false), undefined, "a version is released on a day");
  t.end();
});
