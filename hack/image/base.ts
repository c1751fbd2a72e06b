// SPDX-License-Identifier: Apache-2.0

/**
 * The image's base layer without Docker: Debian with the packages of packages.txt, made by debootstrap and kept as a tar in
 * the user's cache folder. `node hack/image/base.ts` makes it, and the root file system that tests of real servers use.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Architecture, architecture, cacheFolder } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { withFileLock } from "../host/lock.ts";
import { ensurePackages } from "../host/packages.ts";
import { createProgress, type Progress, type ProgressStep } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { imageArchive } from "../oci/tar.ts";

/**
 * The Debian release of the image; the Dockerfile builds on the same one (a test compares them). `WEFT_DEBIAN_SUITE=sid` makes it with the newest OVS
 * and OVN instead, for trying them: `docker build --build-arg DEBIAN_SUITE=sid` does the same.
 */
export const DEBIAN_SUITE = process.env["WEFT_DEBIAN_SUITE"] ?? "trixie";

/** The one with the newest OVS and OVN, on which the release tests run too. */
export const NEWEST_SUITE = "sid";

/** Package names from a packages.txt: one a line, `#` starts a comment. */
export function parsePackages(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
}

/** The packages of the image. */
export function imagePackages(): readonly string[] {
  return parsePackages(readFileSync(join(import.meta.dirname, "packages.txt"), "utf8"));
}

/** Twelve hex digits that change with the content of the base layer. */
function baseHash(): string {
  const hash = createHash("sha256").update(DEBIAN_SUITE).update(imagePackages().join(" "));
  return hash
    .update(readFileSync(join(import.meta.dirname, "strip.sh")))
    .digest("hex")
    .slice(0, 12);
}

/** Whether programs of `arch` run on this machine: its own, or by an emulator that the kernel knows (binfmt_misc, Debian's qemu-user-binfmt). */
export function runsPrograms(arch: Architecture): boolean {
  const emulator = { amd64: "qemu-x86_64", arm64: "qemu-aarch64" }[arch];
  return arch === architecture() || existsSync(`/proc/sys/fs/binfmt_misc/${emulator}`);
}

function baseLayerPath(arch: Architecture): string {
  return join(cacheFolder(), `image-base-${baseHash()}-${arch}.tar`);
}

/** Whether `ensureBaseLayer` has nothing to make for this machine. */
export function hasBaseLayer(): boolean {
  return existsSync(baseLayerPath(architecture()));
}

/**
 * The base layer's tar, for this machine's architecture by default, made first if the cache has none for the current list. Debian's packages configure themselves
 * by running, so another architecture needs an emulator: HostError `unsupported` where there is none.
 */
export async function ensureBaseLayer(progress: Progress, arch: Architecture = architecture()): Promise<string> {
  const cache = cacheFolder();
  const tar = baseLayerPath(arch);
  if (existsSync(tar)) {
    const now = new Date();
    await utimes(tar, now, now);
    return tar;
  }
  if (!runsPrograms(arch)) {
    throw new HostError(
      "unsupported",
      `this machine cannot run programs for ${arch}, so Debian packages cannot be installed: build on a machine of that architecture, or install qemu-user-binfmt`,
    );
  }
  await ensurePackages(
    [
      { what: "debootstrap", package: "debootstrap" },
      // Without it debootstrap on Ubuntu checks no signature.
      { what: "/usr/share/keyrings/debian-archive-keyring.gpg", package: "debian-archive-keyring" },
    ],
    progress,
  );
  if (process.getuid?.() !== 0)
    throw new HostError("not-root", "debootstrap needs root to build the image's base layer: run this with sudo");
  const wait = (): void => progress.note("another checkout is building the image's base layer; waiting for it");
  await withFileLock(
    join(cache, "image-base.lock"),
    async () => {
      if (existsSync(tar)) return;
      const title = "image: base layer with OVS and OVN (about two minutes, once)";
      await progress.step(title, (step) => makeBaseLayer(tar, arch, step));
    },
    wait,
  );
  return tar;
}

async function makeBaseLayer(tar: string, arch: Architecture, step: ProgressStep): Promise<void> {
  await removeOldWork();
  const root = workFolder();
  const mirror = process.env["WEFT_DEBIAN_MIRROR"] ?? "http://deb.debian.org/debian";
  let fetched = 0;
  let steps = 0;
  const onLine = (line: string): void => {
    if (line.startsWith("I: Retrieving")) fetched++;
    if (line.startsWith("I: Unpacking") || line.startsWith("I: Configuring")) steps++;
    step.update(steps > 0 ? `installing, step ${steps}` : `${fetched} packages fetched`);
  };
  try {
    // In a mount namespace of its own, so that debootstrap's /proc and /sys go with it however it ends.
    const options = ["--mount", "--propagation", "private", "debootstrap", `--arch=${arch}`, "--variant=minbase"];
    await run("unshare", [...options, `--include=${imagePackages().join(",")}`, DEBIAN_SUITE, root, mirror], {
      onLine,
    });
    step.update("packing");
    await run("sh", [join(import.meta.dirname, "strip.sh"), root]);
    await imageArchive({ folder: root, out: tar, exclude: ["./dev/*", "./proc/*", "./sys/*"] });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function workFolder(): string {
  return join(cacheFolder(), `.image-work-${process.pid}`);
}

/** Entries of the cache: prefix of the name → days after the last use until they are removed. */
const KEEP_DAYS: Readonly<Record<string, number>> = {
  // Of processes that were killed.
  ".image-work-": 1,
  // Of package lists that no checkout has any more.
  "image-base-": 30,
};

async function removeOldWork(): Promise<void> {
  for (const name of await readdir(cacheFolder())) {
    const days = Object.entries(KEEP_DAYS).find(([prefix]) => name.startsWith(prefix))?.[1];
    const path = join(cacheFolder(), name);
    if (days === undefined || Date.now() - (await stat(path)).mtimeMs < days * 86_400_000) continue;
    await rm(path, { recursive: true, force: true });
  }
}

/**
 * The base layer unpacked, `trixie-base` (or of another suite) in the cache folder: binaries and schemas of the OVS and OVN that the image holds,
 * for tests with real servers. Made again when the list changes; a folder without our stamp was made by hand and is left.
 */
export async function ensureRootfs(progress: Progress): Promise<string> {
  const root = join(cacheFolder(), `${DEBIAN_SUITE}-base`);
  const stamp = join(root, ".weft-base");
  const current = (): boolean =>
    existsSync(root) && (!existsSync(stamp) || readFileSync(stamp, "utf8").trim() === baseHash());
  if (current()) return root;
  const tar = await ensureBaseLayer(progress);
  await withFileLock(`${root}.lock`, async () => {
    if (current()) return;
    const work = workFolder();
    try {
      await mkdir(work);
      await run("tar", [
        "--extract",
        `--file=${tar}`,
        `--directory=${work}`,
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
      ]);
      // The layer leaves /dev to the container runtime; under chroot the programs need these (major 1 of Linux's
      // devices.txt).
      for (const [name, minor] of Object.entries({ null: "3", zero: "5", random: "8", urandom: "9" })) {
        await run("mknod", ["-m", "666", join(work, "dev", name), "c", "1", minor]);
      }
      await writeFile(join(work, ".weft-base"), `${baseHash()}\n`);
      await rm(root, { recursive: true, force: true });
      await rename(work, root);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return root;
}

if (import.meta.main) {
  const progress = createProgress();
  process.stdout.write(`${await ensureBaseLayer(progress)}\n${await ensureRootfs(progress)}\n`);
}
