// SPDX-License-Identifier: Apache-2.0

import { createReadStream, createWriteStream, existsSync, globSync, readFileSync } from "node:fs";
import { chmod, cp, link, mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { DIST, INPUTS, nodeArchitecture, PAGE, shimPath } from "../build/build.ts";
import { contentHash } from "../build/inputs.ts";
import { fetchedPackage, lockedPackage, ROOT } from "../build/npm.ts";
import { type Architecture, architecture, cacheFolder } from "../host/cache.ts";
import type { Progress } from "../host/progress.ts";
import { buildImage } from "../oci/image.ts";
import { imageArchive } from "../oci/tar.ts";
import { ensureBaseLayer } from "./base.ts";

/** Name and tag of the image that the lab runs. */
export const IMAGE = { repository: "weft.local/weft", tag: "dev" } as const;

/** An image archive, and the digests of its content. */
export interface BuiltImage {
  /** `docker load`, `ctr images import` and the lab take it. */
  readonly archive: string;
  /** Digest of the content for ovs-ovn and ovn-central: Debian's packages and the entry points. */
  readonly system: string;
  /** Digest of everything. */
  readonly whole: string;
}

/** What an image is made for; everything is optional. */
export interface ImageRequest {
  /** This machine's by default. Debian's packages of another one need an emulator. */
  readonly architecture?: Architecture;
  /** With tag; that of the lab by default. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Folder for the archive and its parts, replaced whole. */
  readonly work?: string;
  /** Layers are compressed with gzip, as registries want them. */
  readonly compress?: boolean;
}

/**
 * Makes an image from `dist/` without Docker: the same content as the Dockerfile's, in layers that change
 * more and more often, so that a new build costs only the last ones. An archive of the same content is left as it is.
 */
export async function makeImage(progress: Progress, request: ImageRequest = {}): Promise<BuiltImage> {
  const { architecture: arch = architecture(), labels = {}, compress = false } = request;
  const { name = `${IMAGE.repository}:${IMAGE.tag}`, work = join(DIST, "image") } = request;
  const base = await ensureBaseLayer(progress, arch);
  const archive = join(work, `weft-${arch}.tar`);
  // The base layer's name identifies its content, and the hash of a program's inputs the program.
  const system = contentHash(ROOT, [...filesIn(ENTRY), ...TEXTS], [base]).slice(0, 16);
  const whole = contentHash(
    ROOT,
    [...filesIn(INPUTS), import.meta.filename],
    [system, lockedPackage("node").version, name, JSON.stringify(labels), String(compress)],
  ).slice(0, 16);
  const stamp = join(work, "content");
  if (existsSync(archive) && existsSync(stamp) && readFileSync(stamp, "utf8") === whole)
    return { archive, system, whole };
  await progress.step(`image: packing for ${arch}`, async () => {
    await rm(work, { recursive: true, force: true });
    await mkdir(work, { recursive: true });
    const parts = [nodeLayer(arch), entryLayer(work), shimLayer(work, arch), libraryLayer(work, arch), pageLayer(work)];
    const layers = [base, ...(await Promise.all(parts))];
    await buildImage({
      name,
      labels,
      architecture: arch,
      layers: await Promise.all(layers.map(async (tar) => ({ tar: compress ? await compressed(tar, work) : tar }))),
      cmd: ["bash"],
      out: archive,
    });
    await writeFile(stamp, whole);
  });
  return { archive, system, whole };
}

/** A gzip of a layer in `work`, the same bytes each time: Node writes neither name nor time into it. */
async function compressed(tar: string, work: string): Promise<string> {
  const out = join(work, `${basename(tar)}.gz`);
  await pipeline(createReadStream(tar), createGzip({ level: 6 }), createWriteStream(out));
  return out;
}

/** Entry points, as they lie in the image. */
const ENTRY = join(import.meta.dirname, "root");
/** Licence texts of the image. */
const TEXTS = [join(ROOT, "LICENSE"), join(ROOT, "NOTICE")];

function filesIn(folder: string): readonly string[] {
  const entries = globSync("**/*", { cwd: folder, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Node alone, as the `node` package of the lock file brings it; npm and the rest are not needed at run time. */
async function nodeLayer(arch: Architecture): Promise<string> {
  const { version } = lockedPackage("node");
  const out = join(cacheFolder(), `image-node-${version}-${arch}.tar`);
  if (existsSync(out)) return out;
  const installed = join(ROOT, "node_modules/node/bin/node");
  const from =
    arch === architecture() && existsSync(installed)
      ? installed
      : join(await fetchedPackage(`node-linux-${nodeArchitecture(arch)}`, version), "bin/node");
  const folder = `${out}.${process.pid}.folder`;
  try {
    await mkdir(join(folder, "usr/local/bin"), { recursive: true });
    await cp(from, join(folder, "usr/local/bin/node"));
    await chmod(join(folder, "usr/local/bin/node"), 0o755);
    await imageArchive({ folder, out });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return out;
}

async function entryLayer(work: string): Promise<string> {
  const folder = join(work, "entry");
  // A copy, which belongs to root whichever user owns the checkout.
  await cp(ENTRY, folder, { recursive: true });
  const texts = join(folder, "usr/share/doc/weft");
  await mkdir(texts, { recursive: true });
  for (const file of TEXTS) await cp(file, join(texts, basename(file)));
  const out = join(work, "entry.tar");
  await imageArchive({ folder, out });
  return out;
}

async function shimLayer(work: string, arch: Architecture): Promise<string> {
  const folder = join(work, "shim");
  await mkdir(join(folder, "opt/weft/bin"), { recursive: true });
  await link(shimPath(arch), join(folder, "opt/weft/bin/weft-cni"));
  const out = join(work, "shim.tar");
  await imageArchive({ folder, out });
  return out;
}

async function pageLayer(work: string): Promise<string> {
  const out = join(work, "page.tar");
  await imageArchive({ folder: PAGE, prefix: "opt/weft/page", out });
  return out;
}

async function libraryLayer(work: string, arch: Architecture): Promise<string> {
  const out = join(work, "lib.tar");
  // dist/ may hold native modules for both.
  const other = nodeArchitecture(arch === "amd64" ? "arm64" : "amd64");
  const exclude = [`./node_modules/@koromix/koffi-linux-${other}`];
  await imageArchive({ folder: join(DIST, "lib"), prefix: "opt/weft/lib", exclude, out });
  return out;
}
