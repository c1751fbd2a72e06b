// SPDX-License-Identifier: Apache-2.0

/** The section of a version in a changelog in the form of keepachangelog.com, version 1.1.0. */
export interface ChangelogSection {
  /** As in the heading: `0.1.0`, or `Unreleased`. */
  readonly version: string;
  /** `2026-12-01`; absent for what is not released. */
  readonly date?: string;
  /** Markdown below the heading, without blank lines at either end. */
  readonly notes: string;
}

/** All sections of CHANGELOG.md, newest first, as they are in the file. */
export function parseChangelog(text: string): readonly ChangelogSection[] {
  const sections: ChangelogSection[] = [];
  for (const part of text.split(/^(?=## )/m)) {
    const heading = /^## \[?([^\]\s]+)\]?(?: - (\d{4}-\d{2}-\d{2}))?(?: \[YANKED\])?\s*$/m.exec(part);
    if (heading === null || heading.index !== 0) continue;
    const [line, version = "", date] = heading;
    // Links of headings, at the end of the file, belong to no section.
    const notes = part
      .slice(line.length)
      .replaceAll(/^\[[^\]]+\]: \S+\s*$/gm, "")
      .trim();
    sections.push({ version, notes, ...(date === undefined ? {} : { date }) });
  }
  return sections;
}

/**
 * The release notes of `version`. A version without a section of its own has that of `Unreleased` if
 * `allowUnreleased`; undefined if there are none.
 */
export function releaseNotes(text: string, version: string, allowUnreleased: boolean): ChangelogSection | undefined {
  const sections = parseChangelog(text).filter(({ notes }) => notes !== "");
  const own = sections.find((section) => section.version === version && section.date !== undefined);
  return own ?? (allowUnreleased ? sections.find((section) => section.version === "Unreleased") : undefined);
}
