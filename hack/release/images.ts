// SPDX-License-Identifier: Apache-2.0

import { copyFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "../build/build.ts";
import { lockedPackage } from "../build/npm.ts";
import type { Architecture } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { run } from "../host/run.ts";
import { ensureBaseLayer, runsPrograms } from "../image/base.ts";
import { imageNpmPackages, parseDpkgStatus } from "../image/bill-of-materials.ts";
import { makeImage } from "../image/image.ts";
import type { Made, Release } from "./release.ts";
import { sbom } from "./sbom.ts";

/** Name of the archive of an image, an OCI image layout in a tar. */
export function imageFile(version: string, arch: Architecture): string {
  return `weft-image-${version}-linux-${arch}.tar`;
}

/** Name of the bill of materials of an image. */
function sbomFile(version: string, arch: Architecture): string {
  return `weft-image-${version}-linux-${arch}.cdx.json`;
}

/** The image's archive and bill of materials for each architecture; what this machine cannot make is `missing`. */
export async function makeImages(release: Release): Promise<Made> {
  const files: string[] = [];
  const missing: { name: string; why: string }[] = [];
  for (const arch of release.architectures) {
    const name = imageFile(release.version, arch);
    if (!runsPrograms(arch)) {
      const why = `Debian's packages for ${arch} configure themselves by running; build it on ${arch}, or with qemu-user-binfmt`;
      missing.push({ name, why });
      continue;
    }
    try {
      await makeOne(release, arch);
      files.push(name, sbomFile(release.version, arch));
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      missing.push({ name, why: error.message });
    }
  }
  return { files, missing };
}

async function makeOne(release: Release, arch: Architecture): Promise<void> {
  const { version, out, progress } = release;
  await build([arch], progress);
  const work = join(release.work, `image-${arch}`);
  const { archive } = await makeImage(progress, {
    architecture: arch,
    name: `${release.repository}:${version}`,
    work,
    compress: true,
    // https://specs.opencontainers.org/image-spec/annotations/
    labels: {
      "org.opencontainers.image.title": "weft",
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.revision": release.commit,
      "org.opencontainers.image.created": release.time.toISOString(),
      "org.opencontainers.image.licenses": "Apache-2.0",
      ...(release.source === undefined ? {} : { "org.opencontainers.image.source": release.source }),
    },
  });
  await copyFile(archive, join(out, imageFile(version, arch)));
  const document = await billOfMaterials(release, arch);
  await writeFile(join(out, sbomFile(version, arch)), `${JSON.stringify(document, null, 2)}\n`);
  await rm(work, { recursive: true, force: true });
}

async function billOfMaterials(release: Release, arch: Architecture): Promise<unknown> {
  const base = await ensureBaseLayer(release.progress, arch);
  const { stdout } = await run("tar", [
    "--extract",
    "--to-stdout",
    `--file=${base}`,
    "./var/lib/dpkg/status",
    "./etc/debian_version",
  ]);
  const debianRelease = /^(\d+)\.\d+$/m.exec(stdout)?.[1] ?? "unstable";
  return sbom({
    version: release.version,
    architecture: arch,
    debianRelease,
    node: lockedPackage("node").version,
    bun: lockedPackage("bun").version,
    npm: await imageNpmPackages(),
    debian: parseDpkgStatus(stdout),
    time: release.time,
  });
}
