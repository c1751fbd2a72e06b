// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "../build/build.ts";
import { lockedPackage, ROOT } from "../build/npm.ts";
import { architecture } from "../host/cache.ts";
import { createProgress } from "../host/progress.ts";
import { DEBIAN_SUITE, imagePackages } from "../image/base.ts";
import { imageNpmPackages, licenceText, type NpmPackage } from "../image/contents.ts";

const FILE = "NOTICE";

/** What {@link noticeText} says. */
export interface NoticeInput {
  readonly suite: string;
  readonly node: string;
  readonly bun: string;
  readonly debian: readonly string[];
  readonly npm: readonly (NpmPackage & { readonly text?: string })[];
}

/**
 * Makes NOTICE of what the image holds: the packages of `hack/image/packages.txt`, and the npm packages that the built programs contain. With `check`
 * nothing is written. Resolves to the files that were not as they must be.
 */
export async function generateNotice(options: { readonly check: boolean }): Promise<readonly string[]> {
  await build([architecture()], createProgress());
  const npm = await Promise.all(
    (await imageNpmPackages()).map(async (one) => {
      const text = await licenceText(one.name);
      return { ...one, ...(text === undefined ? {} : { text }) };
    }),
  );
  const text = noticeText({
    suite: DEBIAN_SUITE,
    node: lockedPackage("node").version,
    bun: lockedPackage("bun").version,
    debian: imagePackages(),
    npm,
  });
  const path = join(ROOT, FILE);
  if ((await readFile(path, "utf8").catch(() => undefined)) === text) return [];
  if (!options.check) await writeFile(path, text);
  return [FILE];
}

/** The text of NOTICE. Pure. */
export function noticeText({ suite, node, bun, debian, npm }: NoticeInput): string {
  const width = Math.max(...npm.map(({ name }) => name.length)) + 2;
  return `Weft
Copyright 2026 The Weft Authors

Licensed under the Apache License, Version 2.0; see LICENSE.

The container image and the released programs contain software of others, listed here.
Made by \`npm run generate -- notice\`. Do not edit.


1. Runtimes

Node.js ${node}, https://nodejs.org, in the image: MIT, and the licences of what it contains:
  https://github.com/nodejs/node/blob/v${node}/LICENSE
Bun ${bun}, https://bun.com, in weft-cni and in the released weftctl: MIT, and the licences of what it contains, among
  them JavaScriptCore (LGPL-2.1): https://github.com/oven-sh/bun/blob/bun-v${bun}/LICENSE.md


2. Debian packages

The image is based on Debian (${suite}) and holds these packages and those that they depend on. Open vSwitch
(openvswitch-*) and OVN (ovn-*) are under Apache-2.0. The licence of each package is in the image,
/usr/share/doc/PACKAGE/copyright; the exact versions are in the release's SBOM; the sources are in Debian's archive
(https://snapshot.debian.org keeps those of former versions).

${debian.map((name) => `  ${name}\n`).join("")}

3. npm packages

${npm.map(({ name, version, license }) => `  ${name.padEnd(width)}${version.padEnd(10)}${license}\n`).join("")}

4. Licences of the npm packages

${npm.map(licenceOf).join("\n")}`;
}

function licenceOf({ name, version, license, text }: NpmPackage & { readonly text?: string }): string {
  const head = `---- ${name} ${version} (${license})\n\n`;
  if (text === undefined) return `${head}Its package brings no text.\n`;
  // The one text that every project has in common, and that is in LICENSE already.
  if (license === "Apache-2.0" && text.includes("TERMS AND CONDITIONS")) return `${head}See LICENSE.\n`;
  return `${head}${text
    .replaceAll(/\r/g, "")
    .replaceAll(/[ \t]+$/gm, "")
    .trim()}\n`;
}
