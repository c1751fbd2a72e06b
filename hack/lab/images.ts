// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { architecture, cacheFolder, findCommand } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { copyProgram } from "../oci/files.ts";
import { buildImage, type ImageOptions } from "../oci/image.ts";
import { imageArchive } from "../oci/tar.ts";
import { PAUSE_IMAGE } from "./node-parts.ts";

/** The images that the lab builds and imports into each node. */
export const BUSYBOX_IMAGE = "weft.local/busybox:1";
export const AGNHOST_IMAGE = "weft.local/agnhost:1";
export const IPERF3_IMAGE = "weft.local/iperf3:1";
export const KEEPALIVED_IMAGE = "weft.local/keepalived:1";
export const COREDNS_IMAGE = "weft.local/coredns:1";

/** The parts of the images come from these programs. */
interface Programs {
  readonly busybox: string;
  readonly agnhost: string;
  readonly iperf3: string;
  readonly curl: string;
}

interface Recipe {
  readonly image: Omit<ImageOptions, "layers" | "out">;
  /** Names of layers below. */
  readonly layers: readonly (keyof typeof LAYERS)[];
}

const AGNHOST = { name: AGNHOST_IMAGE, entrypoint: ["/agnhost"], cmd: ["pause"] } as const;

const RECIPES: readonly Recipe[] = [
  // A pod's sandbox only has to exist; a shell as init process would cost every pod one more process.
  { image: { name: PAUSE_IMAGE, entrypoint: ["/bin/busybox", "sleep", "2147483647"] }, layers: ["busybox"] },
  { image: { name: BUSYBOX_IMAGE, cmd: ["sh"] }, layers: ["busybox"] },
  { image: AGNHOST, layers: ["busybox", "agnhost"] },
  { image: { name: IPERF3_IMAGE, entrypoint: ["/usr/bin/iperf3"], cmd: ["--server"] }, layers: ["busybox", "iperf3"] },
];

/** For the names of the released agnhost's certificate. */
const SELF_SIGNED = [
  ...["req", "-x509", "-days", "3650", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
  ...["-subj", "/CN=agnhost", "-addext", "subjectAltName=DNS:example.com,IP:127.0.0.1,IP:::1"],
];

/** How each layer's root is filled. */
const LAYERS = {
  async busybox(root: string, programs: Pick<Programs, "busybox">): Promise<void> {
    for (const folder of ["bin", "etc", "root", "var", "run", "home", "usr"])
      await mkdir(join(root, folder), { recursive: true });
    await mkdir(join(root, "tmp"));
    await chmod(join(root, "tmp"), 0o1777);
    await copyFile(programs.busybox, join(root, "bin/busybox"));
    const applets = (await run(programs.busybox, ["--list"])).stdout
      .split("\n")
      .filter((name) => /^[\w[.-]+$/.test(name) && name !== "busybox");
    for (const applet of applets) await symlink("busybox", join(root, "bin", applet));
    await symlink("../bin", join(root, "usr/bin"));
    await writeFile(
      join(root, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/sh\n",
    );
    await writeFile(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  },
  async agnhost(root: string, programs: Pick<Programs, "agnhost" | "curl">): Promise<void> {
    await copyFile(programs.agnhost, join(root, "agnhost"));
    // As the released image has them, for servers of TLS that their clients do not verify (porter, netexec).
    const files = ["-keyout", join(root, "localhost.key"), "-out", join(root, "localhost.crt")];
    await run("openssl", [...SELF_SIGNED, ...files]);
    // The released image has curl, and the end-to-end tests of Kubernetes call it there.
    await copyProgram(programs.curl, root, "bin/curl");
  },
  async iperf3(root: string, programs: Pick<Programs, "iperf3">): Promise<void> {
    await copyProgram(programs.iperf3, root, "bin/iperf3");
  },
} as const;

/**
 * The archives of the lab's own images but that of DNS, made first where they are absent or their programs have changed; shared by all
 * checkouts. `kube` is the folder of Kubernetes' binaries.
 */
export async function ensureImages(kube: string, progress: Progress): Promise<readonly string[]> {
  const programs: Programs = {
    busybox: requireCommand("busybox"),
    agnhost: join(kube, "agnhost"),
    iperf3: requireCommand("iperf3"),
    curl: requireCommand("curl"),
  };
  const names = RECIPES.map(({ image }) => image.name);
  const recipe = [RECIPES, SELF_SIGNED, Object.values(LAYERS).map((fill) => fill.toString())];
  const key = keyOf(Object.values(programs), recipe);
  return await ensureArchives(names, key, (archives, work) =>
    progress.step("building the lab's images", () => build(programs, archives, work)),
  );
}

/** The archive of an image that has only a static `program`, which it starts. */
export async function ensureProgramImage(image: string, program: string, progress: Progress): Promise<string> {
  const name = basename(program);
  const [archive = ""] = await ensureArchives([image], keyOf([program], []), ([out = ""], work) =>
    progress.step(`building the image of ${name}`, async () => {
      const tar = await layerTar(work, name, (root) => copyFile(program, join(root, name)));
      await buildImage({ name: image, entrypoint: [`/${name}`], layers: [{ tar }], out });
    }),
  );
  return archive;
}

/** The archive of an image of busybox and Debian's keepalived, for the tests that use it; `KEEPALIVED` in required-packages.ts brings the program. */
export async function ensureKeepalivedImage(progress: Progress): Promise<string> {
  const programs = { busybox: requireCommand("busybox"), keepalived: requireCommand("keepalived") };
  const key = keyOf(Object.values(programs), LAYERS.busybox.toString());
  const [archive = ""] = await ensureArchives([KEEPALIVED_IMAGE], key, ([out = ""], work) =>
    progress.step("building the image of keepalived", async () => {
      const layers = [
        { tar: await layerTar(work, "busybox", (root) => LAYERS.busybox(root, programs)) },
        { tar: await layerTar(work, "keepalived", (root) => copyProgram(programs.keepalived, root, "bin/keepalived")) },
      ];
      await buildImage({ name: KEEPALIVED_IMAGE, entrypoint: ["/bin/keepalived"], layers, out });
    }),
  );
  return archive;
}

/** Milliseconds until a replaced archive may be removed. */
const KEEP_MS = 86_400_000;

/** The archives of images, made by `make` (with a folder to work in) where those of `key` are absent; old ones of these images are removed then. */
async function ensureArchives(
  names: readonly string[],
  key: string,
  make: (archives: readonly string[], work: string) => Promise<void>,
): Promise<readonly string[]> {
  const folder = join(cacheFolder(), `images-${architecture()}`);
  const stems = names.map((name) => name.replace(/[/:]/g, "_"));
  const archives = stems.map((stem) => join(folder, `${stem}-${key}.tar`));
  const present = (): boolean => archives.every((path) => existsSync(path));
  if (present()) return archives;
  await withFileLock(`${folder}.lock`, async () => {
    if (present()) return;
    await inWorkFolder((work) => make(archives, work));
    // Other checkouts, in another state, may still use theirs.
    const before = Date.now() - KEEP_MS;
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      if (stems.some((stem) => name.startsWith(`${stem}-`)) && statSync(path).mtimeMs < before)
        await rm(path, { force: true });
    }
  });
  return archives;
}

async function inWorkFolder<T>(action: (work: string) => Promise<T>): Promise<T> {
  const work = await mkdtemp(join(tmpdir(), "weft-images-"));
  try {
    return await action(work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function requireCommand(name: string): string {
  const path = findCommand(name);
  if (path === undefined) throw new HostError("command-missing", `${name} is not installed`);
  return path;
}

/** Changes with the recipe and with any of the programs. */
function keyOf(programs: readonly string[], recipe: unknown): string {
  const files = programs.map((path) => {
    const { size, mtimeMs } = statSync(path);
    return [path, size, mtimeMs];
  });
  return createHash("sha256")
    .update(JSON.stringify([recipe, files]))
    .digest("hex")
    .slice(0, 12);
}

/** Makes the tar of a layer whose root `fill` fills, in the folder `work`; returns its path. */
async function layerTar(work: string, name: string, fill: (root: string) => Promise<void>): Promise<string> {
  const root = join(work, name);
  await mkdir(root, { mode: 0o755 });
  await fill(root);
  await imageArchive({ folder: root, out: `${root}.tar` });
  return `${root}.tar`;
}

/** Writes the lab's agnhost with one layer more into the folder `out`, once for each of `names`; returns the archives' paths. */
export async function buildOnAgnhost(
  kube: string,
  names: readonly string[],
  fill: (root: string) => Promise<void>,
  out: string,
): Promise<readonly string[]> {
  const programs = { busybox: requireCommand("busybox"), agnhost: join(kube, "agnhost"), curl: requireCommand("curl") };
  return await inWorkFolder(async (work) => {
    const layers = [
      { tar: await layerTar(work, "busybox", (root) => LAYERS.busybox(root, programs)) },
      { tar: await layerTar(work, "agnhost", (root) => LAYERS.agnhost(root, programs)) },
      { tar: await layerTar(work, "more", fill) },
    ];
    return await Promise.all(
      names.map(async (name) => {
        const archive = join(out, `${name.replace(/[/:]/g, "_")}.tar`);
        await buildImage({ ...AGNHOST, name, layers, out: archive });
        return archive;
      }),
    );
  });
}

async function build(programs: Programs, archives: readonly string[], work: string): Promise<void> {
  const tars = Object.fromEntries(
    await Promise.all(
      Object.entries(LAYERS).map(
        async ([name, fill]) => [name, await layerTar(work, name, (root) => fill(root, programs))] as const,
      ),
    ),
  );
  for (const [index, { image, layers }] of RECIPES.entries()) {
    await buildImage({
      ...image,
      layers: layers.map((layer) => ({ tar: tars[layer] ?? "" })),
      out: archives[index] ?? "",
    });
  }
}
