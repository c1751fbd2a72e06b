// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "../build/build.ts";
import { lockedPackage, ROOT } from "../build/npm.ts";
import { architecture } from "../host/cache.ts";
import { createProgress } from "../host/progress.ts";
import { DEBIAN_SUITE, imagePackages } from "../image/base.ts";
import { imageNpmPackages, licenceText, type NpmPackage, nodeLicenceText } from "../image/bill-of-materials.ts";

const FILE = "NOTICE";

/** The input of {@link noticeText}. */
export interface NoticeInput {
  readonly suite: string;
  readonly node: string;
  /** Its licence text. */
  readonly nodeLicence: string;
  readonly bun: string;
  readonly debian: readonly string[];
  readonly npm: readonly (NpmPackage & { readonly text?: string })[];
}

/**
 * Generates NOTICE from the contents of the image: the packages of `hack/image/packages.txt`, and the npm packages that the built programs contain. With `check`
 * nothing is written. Resolves to the files that were stale.
 */
export async function generateNotice(options: { readonly check: boolean }): Promise<readonly string[]> {
  await build([architecture()], createProgress());
  const npm = await Promise.all(
    (await imageNpmPackages()).map(async (one) => {
      const text = await licenceText(one.name);
      return { ...one, ...(text === undefined ? {} : { text }) };
    }),
  );
  const path = join(ROOT, FILE);
  const present = await readFile(path, "utf8").catch(() => "");
  const node = lockedPackage("node").version;
  const nodeLicence = (await nodeLicenceText()) ?? present.split(`\n5. Licence of Node.js ${node}\n`)[1];
  if (nodeLicence === undefined)
    throw new Error(`the licence text of Node.js ${node} is not installed: remove node_modules, and run this again`);
  const text = noticeText({
    suite: DEBIAN_SUITE,
    node,
    nodeLicence,
    bun: lockedPackage("bun").version,
    debian: imagePackages(),
    npm,
  });
  if (present === text) return [];
  if (!options.check) await writeFile(path, text);
  return [FILE];
}

/**
 * The text of NOTICE. Pure. Bun's licence is given by its address only: its npm packages (`bun`, `@oven/bun-*`) contain no licence text, and its
 * licence file names the licences of the libraries that Bun links by addresses as well.
 */
export function noticeText({ suite, node, nodeLicence, bun, debian, npm }: NoticeInput): string {
  const width = Math.max(...npm.map(({ name }) => name.length)) + 2;
  return `Weft
Copyright 2026 The Weft Authors

Licensed under the Apache License, Version 2.0; see LICENSE.

The container image and the released programs contain the third-party software that is listed here.
Made by \`npm run generate -- notice\`. Do not edit.


1. Runtimes

Node.js ${node}, https://nodejs.org, in the image: MIT, and the licences of the software that it contains: see 5.
Bun ${bun}, https://bun.com, in weft-cni and in the released weftctl: MIT, and the licences of the software that it contains,
  among them JavaScriptCore (LGPL-2.1). Its packages contain no licence text; it is at
  https://github.com/oven-sh/bun/blob/bun-v${bun}/LICENSE.md


2. Debian packages

The image is based on Debian (${suite}) and contains these packages and those that they depend on. Open vSwitch
(openvswitch-*) and OVN (ovn-*) are under Apache-2.0. The licence of each package is in the image,
/usr/share/doc/PACKAGE/copyright; the exact versions are in the release's SBOM; the sources are in Debian's archive
(https://snapshot.debian.org keeps those of former versions).

${debian.map((name) => `  ${name}\n`).join("")}

3. npm packages

${npm.map(({ name, version, license }) => `  ${name.padEnd(width)}${version.padEnd(10)}${license}\n`).join("")}

4. Licences of the npm packages

${npm.map(licenceOf).join("\n")}

5. Licence of Node.js ${node}

${plain(nodeLicence)}`;
}

/** A licence text without carriage returns and trailing white space. */
function plain(text: string): string {
  const trimmed = text.replaceAll(/\r/g, "").replaceAll(/[ \t]+$/gm, "");
  return `${trimmed.trim()}\n`;
}

function licenceOf({ name, version, license, text }: NpmPackage & { readonly text?: string }): string {
  const head = `---- ${name} ${version} (${license})\n\n`;
  if (text === undefined) return `${head}Its package contains no licence text.\n`;
  // The one text that every project has in common, and that is in LICENSE already.
  if (license === "Apache-2.0" && text.includes("TERMS AND CONDITIONS")) return `${head}See LICENSE.\n`;
  return `${head}${plain(text)}`;
}
