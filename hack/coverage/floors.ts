// SPDX-License-Identifier: Apache-2.0

import { stripTypeScriptTypes } from "node:module";
import { relative } from "node:path";

/** Covered lines of source, and all lines. */
export interface Lines {
  readonly covered: number;
  readonly total: number;
}

/** Lines by folder of `src` ("src/ipam"). */
export type Folders = Readonly<Record<string, Lines>>;

/** The minimum percentage of each folder. */
export type Floors = Readonly<Record<string, number>>;

/** The part of istanbul's `json-summary` that is read: absolute paths of files, and `total`. */
export type Summary = Readonly<Record<string, { readonly lines: Lines }>>;

/**
 * A floor is this far below the measured value, in percentage points: coverage that depends on time or chance differs
 * between runs.
 */
const SLACK = 0.5;

/** Whether a source text has executable code: a file of types is loaded by nothing. */
export function hasCode(source: string): boolean {
  return (
    stripTypeScriptTypes(source)
      .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
      .trim() !== ""
  );
}

/** Covered lines by folder, of files in `root`. */
export function byFolder(summary: Summary, root: string): Folders {
  const folders: Record<string, Lines> = {};
  for (const [path, { lines }] of Object.entries(summary)) {
    if (path === "total") continue;
    const folder = relative(root, path).split("/").slice(0, -1).slice(0, 2).join("/");
    const { covered, total } = folders[folder] ?? { covered: 0, total: 0 };
    folders[folder] = { covered: covered + lines.covered, total: total + lines.total };
  }
  return Object.fromEntries(Object.entries(folders).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A percentage with one digit; 100 if there are no lines. */
export function percentCovered({ covered, total }: Lines): number {
  return total === 0 ? 100 : Math.floor((1000 * covered) / total) / 10;
}

/** The files of a folder with lines that no test runs, the one with the most first. */
export function leastCovered(summary: Summary, root: string, folder: string): readonly string[] {
  return Object.entries(summary)
    .map(([path, { lines }]) => ({ file: relative(root, path), missing: lines.total - lines.covered, ...lines }))
    .filter(({ file, missing }) => file.startsWith(`${folder}/`) && missing > 0)
    .sort((a, b) => b.missing - a.missing || (a.file < b.file ? -1 : 1))
    .map(({ file, missing, total }) => `${file}: ${missing} of ${total} lines are not covered`);
}

/** Folders below their floor, and folders without one: a new folder begins with its present coverage. */
export function belowFloor(folders: Folders, floors: Floors): readonly string[] {
  const faults: string[] = [];
  for (const [folder, lines] of Object.entries(folders)) {
    const floor = floors[folder];
    if (floor === undefined) faults.push(`${folder} has no floor: npm run coverage -- --write`);
    else if (percentCovered(lines) < floor)
      faults.push(`${folder}: ${percentCovered(lines)} % of lines are covered, at least ${floor} % must be`);
  }
  return faults;
}

/** `floors`, raised to the measured values, with new folders and without deleted ones. None is lowered. */
export function raised(folders: Folders, floors: Floors): Floors {
  const floor = (folder: string, lines: Lines): number =>
    Math.max(floors[folder] ?? 0, Math.floor(10 * Math.max(0, percentCovered(lines) - SLACK)) / 10);
  return Object.fromEntries(Object.entries(folders).map(([folder, lines]) => [folder, floor(folder, lines)]));
}

/** The table. */
export function table(folders: Folders, floors: Floors): string {
  const width = Math.max(...Object.keys(folders).map((folder) => folder.length), 6);
  const row = (folder: string, ...cells: readonly string[]): string =>
    `${folder.padEnd(width)}${cells.map((cell) => cell.padStart(10)).join("")}`;
  const rows = Object.entries(folders).map(([folder, lines]) =>
    row(
      folder,
      String(lines.total),
      `${percentCovered(lines)} %`,
      floors[folder] === undefined ? "none" : `${floors[folder]} %`,
    ),
  );
  const all = Object.values(folders).reduce((a, b) => ({ covered: a.covered + b.covered, total: a.total + b.total }));
  return [
    row("folder", "lines", "covered", "floor"),
    ...rows,
    row("all", String(all.total), `${percentCovered(all)} %`, ""),
  ].join("\n");
}
