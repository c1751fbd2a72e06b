import { existsSync, globSync, readFileSync } from "node:fs";
import { chmod, cp, link, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DIST, INPUTS, nodeArchitecture, shimPath } from "../build/build.ts";
import { contentHash } from "../build/inputs.ts";
import { fetchedPackage, lockedPackage, ROOT } from "../build/npm.ts";
import { architecture, cacheFolder } from "../host/cache.ts";
import type { Progress } from "../host/progress.ts";
import { buildImage } from "../oci/image.ts";
import { imageArchive } from "../oci/tar.ts";
import { ensureBaseLayer } from "./base.ts";

/** Name and tag of the image that the lab runs. */
export const IMAGE = { repository: "weft.local/weft", tag: "dev" } as const;

/** An image archive, and what tells one content from another. */
export interface BuiltImage {
  /** `docker load`, `ctr images import` and the lab take it. */
  readonly archive: string;
  /** Digest of what ovs-ovn and ovn-central run: Debian's packages and the entry points. */
  readonly system: string;
  /** Digest of everything. */
  readonly whole: string;
}

/**
 * Makes the image for this machine from `dist/` without Docker: the same content as the Dockerfile's, in layers that change
 * more and more often, so that a new build costs only the last ones. An archive of the same content is left as it is.
 */
export async function makeImage(progress: Progress): Promise<BuiltImage> {
  const base = await ensureBaseLayer(progress);
  const work = join(DIST, "image");
  const archive = join(work, `weft-${architecture()}.tar`);
  // The base layer's name stands for its content, and what a program was built from for the program.
  const system = contentHash(ROOT, filesIn(ENTRY), [base]).slice(0, 16);
  const whole = contentHash(
    ROOT,
    [...filesIn(INPUTS), import.meta.filename],
    [system, lockedPackage("node").version],
  ).slice(0, 16);
  const stamp = join(work, "content");
  if (existsSync(archive) && existsSync(stamp) && readFileSync(stamp, "utf8") === whole)
    return { archive, system, whole };
  await progress.step("image: packing", async () => {
    await rm(work, { recursive: true, force: true });
    await mkdir(work, { recursive: true });
    const layers = [base, await nodeLayer(), await entryLayer(work), await shimLayer(work), await libraryLayer(work)];
    await buildImage({
      name: `${IMAGE.repository}:${IMAGE.tag}`,
      layers: layers.map((tar) => ({ tar })),
      cmd: ["bash"],
      out: archive,
    });
    await writeFile(stamp, whole);
  });
  return { archive, system, whole };
}

/** Entry points, as they lie in the image. */
const ENTRY = join(import.meta.dirname, "root");

function filesIn(folder: string): readonly string[] {
  const entries = globSync("**/*", { cwd: folder, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Node alone, as the `node` package of the lock file brings it; npm and the rest are not needed at run time. */
async function nodeLayer(): Promise<string> {
  const { version } = lockedPackage("node");
  const arch = nodeArchitecture(architecture());
  const out = join(cacheFolder(), `image-node-${version}-${architecture()}.tar`);
  if (existsSync(out)) return out;
  const installed = join(ROOT, "node_modules/node/bin/node");
  const from = existsSync(installed)
    ? installed
    : join(await fetchedPackage(`node-linux-${arch}`, version), "bin/node");
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
  // A copy, which belongs to root whoever owns the checkout.
  await cp(ENTRY, folder, { recursive: true });
  const out = join(work, "entry.tar");
  await imageArchive({ folder, out });
  return out;
}

async function shimLayer(work: string): Promise<string> {
  const folder = join(work, "shim");
  await mkdir(join(folder, "opt/weft/bin"), { recursive: true });
  await link(shimPath(architecture()), join(folder, "opt/weft/bin/weft-cni"));
  const out = join(work, "shim.tar");
  await imageArchive({ folder, out });
  return out;
}

async function libraryLayer(work: string): Promise<string> {
  const out = join(work, "lib.tar");
  await imageArchive({ folder: join(DIST, "lib"), prefix: "opt/weft/lib", out });
  return out;
}
