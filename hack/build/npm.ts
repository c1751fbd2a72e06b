// SPDX-License-Identifier: Apache-2.0

import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { run } from "../host/run.ts";

/** The checkout. */
export const ROOT: string = join(import.meta.dirname, "../..");

interface LockEntry {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
}

/** What package-lock.json says of an installed package. Throws HostError `unsupported` for one that it does not name. */
export function lockedPackage(name: string): LockEntry {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, LockEntry>>;
  };
  const entry = lock.packages[`node_modules/${name}`];
  if (entry === undefined) throw new HostError("unsupported", `package-lock.json has no ${name}`);
  return entry;
}

/**
 * The folder of an npm package that this machine does not install by itself, because it is for another architecture:
 * fetched with npm into the cache folder once, and checked against the lock file's integrity where that has one.
 */
export async function fetchedPackage(name: string, version: string, integrity?: string): Promise<string> {
  const folder = join(cacheFolder(), "npm", `${name.replace("/", "+")}-${version}`);
  if (existsSync(folder)) return folder;
  const work = await mkdtemp(join(tmpdir(), "weft-npm-"));
  try {
    const { stdout } = await run("npm", [
      "pack",
      `${name}@${version}`,
      `--pack-destination=${work}`,
      "--json",
      "--loglevel=error",
    ]);
    const [packed] = JSON.parse(stdout) as readonly { readonly filename: string; readonly integrity: string }[];
    if (packed === undefined) throw new HostError("download", `npm pack returned no ${name}@${version}`);
    if (integrity !== undefined && packed.integrity !== integrity) {
      throw new HostError(
        "download",
        `${name}@${version} does not have the integrity in package-lock.json (${packed.integrity})`,
      );
    }
    await run("tar", ["--extract", `--file=${join(work, packed.filename)}`, `--directory=${work}`]);
    await mkdir(join(folder, ".."), { recursive: true });
    // A rename across file systems fails; the cache may be on another one than /tmp.
    await run("cp", ["--recursive", join(work, "package"), `${folder}.${process.pid}`]);
    await rename(`${folder}.${process.pid}`, folder).catch((error: NodeJS.ErrnoException) => {
      // Another process was first; its copy is as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
    await rm(`${folder}.${process.pid}`, { recursive: true, force: true });
  }
  return folder;
}

/** The folder of a package that the lock file names, installed here or fetched. */
export async function packageFolder(name: string): Promise<string> {
  const installed = join(ROOT, "node_modules", name);
  if (existsSync(installed)) return installed;
  const { version, integrity } = lockedPackage(name);
  return fetchedPackage(name, version, integrity);
}
