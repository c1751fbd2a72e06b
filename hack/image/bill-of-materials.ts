// SPDX-License-Identifier: Apache-2.0

import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CLIENT_FOLDER, DIST, PAGE } from "../build/build.ts";
import { ROOT } from "../build/npm.ts";
import { pagePackages } from "../build/page.ts";

/** An npm package whose code is in the image, as package-lock.json names it. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly license: string;
  /** Subresource Integrity, `sha512-` and base64. */
  readonly integrity?: string;
}

interface LockEntry {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
}

/** The npm packages whose code `dist/` holds, sorted by name: bundled into the programs and the page, or beside them. `dist/` must be built. */
export async function imageNpmPackages(): Promise<readonly NpmPackage[]> {
  const names = new Set<string>();
  for (const folder of [join(DIST, "lib"), CLIENT_FOLDER]) {
    for (const file of await readdir(folder)) {
      if (!file.endsWith(".mjs")) continue;
      for (const name of bundledPackages(await readFile(join(folder, file), "utf8"))) names.add(name);
    }
  }
  for (const name of await pagePackages(PAGE)) names.add(name);
  names.add("koffi");
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, LockEntry>>;
  };
  return [...names].sort().map((name) => {
    const { version = "", license = "", integrity } = lock.packages[`node_modules/${name}`] ?? {};
    return { name, version, license, ...(integrity === undefined ? {} : { integrity }) };
  });
}

/** Names of the packages in a bundle: bun writes a comment with the path before each module. */
export function bundledPackages(bundle: string): ReadonlySet<string> {
  // A package inside another one's node_modules counts by its own name.
  const found = bundle.matchAll(/^\/\/ (?:\S*\/)?node_modules\/((?:@[^/\s]+\/)?[^/\s]+)/gm);
  return new Set([...found].map(([, name = ""]) => name));
}

/** The text of a package's licence file, or undefined where it has none. */
export async function licenceText(name: string): Promise<string | undefined> {
  const folder = join(ROOT, "node_modules", name);
  if (!existsSync(folder)) return undefined;
  const file = (await readdir(folder)).find((entry) => /^(licen[cs]e|copying)(\.|$)/i.test(entry));
  return file === undefined ? undefined : await readFile(join(folder, file), "utf8");
}

/**
 * The licence text in the npm package of the Node.js executable, which has the licences of everything that Node.js contains; `undefined` if a later
 * `npm install` has removed that package (its executable stays).
 */
export async function nodeLicenceText(): Promise<string | undefined> {
  const path = join(ROOT, "node_modules/node/node_modules", `node-linux-${process.arch}`, "LICENSE");
  return existsSync(path) ? await readFile(path, "utf8") : undefined;
}

/** A Debian package that is installed in the image. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The source package, and its version where that is another one. */
  readonly source: string;
}

/** The installed packages of a `/var/lib/dpkg/status` (deb-control(5)), sorted by name. */
export function parseDpkgStatus(text: string): readonly DebianPackage[] {
  const packages: DebianPackage[] = [];
  for (const paragraph of text.split(/\n{2,}/)) {
    const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1]?.trim();
    const name = field("Package");
    const version = field("Version");
    if (name === undefined || version === undefined || field("Status") !== "install ok installed") continue;
    packages.push({ name, version, architecture: field("Architecture") ?? "all", source: field("Source") ?? name });
  }
  return packages.sort((a, b) => (a.name < b.name ? -1 : 1));
}
