// SPDX-License-Identifier: Apache-2.0

import { globSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { HostError } from "../host/error.ts";
import { run } from "../host/run.ts";
import { contentHash, sourcesOf } from "./inputs.ts";
import { ROOT } from "./npm.ts";

const SOURCES = join(ROOT, "src/ui");
/** The program's and the stylesheet's entry. */
const [SCRIPT, STYLE] = [join(SOURCES, "main.tsx"), join(SOURCES, "style/main.css")];

/** The most that all scripts of the page may be, in bytes, before compression. */
export const SCRIPT_LIMIT: number = 300 * 1024;

/** A hash of everything that the page is built from. */
export function pageInputs(): string {
  const others = globSync("{*.{html,svg,json},style/*.css}", { cwd: SOURCES }).map((file) => join(SOURCES, file));
  const lock = join(ROOT, "package-lock.json");
  return contentHash(ROOT, [...new Set([...sourcesOf(SCRIPT), ...others])].sort().concat(lock, import.meta.filename));
}

/**
 * Builds the page into `folder`, which it replaces: `index.html`, and in `assets/` the script, the stylesheet and the icon, each with a hash of its content in
 * its name, so that a browser may keep them for ever. All addresses are relative: the page works below any path.
 */
export async function buildPage(folder: string): Promise<void> {
  const made = `${folder}.${process.pid}.new`;
  try {
    const assets = join(made, "assets");
    await mkdir(assets, { recursive: true });
    await bundle(assets, SCRIPT, ["--format=esm", `--metafile=${join(made, "metafile.json")}`]);
    await bundle(assets, STYLE, []);
    for (const file of globSync("*.js", { cwd: assets })) {
      const { size } = await stat(join(assets, file));
      if (size > SCRIPT_LIMIT)
        throw new HostError("unsupported", `${file} of the page has ${size} bytes; at most ${SCRIPT_LIMIT}`);
    }
    const icon = `icon-${contentHash(SOURCES, [join(SOURCES, "icon.svg")]).slice(0, 8)}.svg`;
    await copyFile(join(SOURCES, "icon.svg"), join(assets, icon));
    const [script = "", style = ""] = [".js", ".css"].map((end) =>
      globSync(`*${end}`, { cwd: assets }).map((file) => `assets/${basename(file)}`),
    );
    const places: Readonly<Record<string, string>> = {
      script: String(script),
      style: String(style),
      icon: `assets/${icon}`,
    };
    const page = await readFile(join(SOURCES, "index.html"), "utf8");
    await writeFile(
      join(made, "index.html"),
      page.replaceAll(/\{(script|style|icon)\}/g, (_, name: string) => places[name] ?? ""),
    );
    await writeFile(`${folder}.packages`, `${(await packagesIn(join(made, "metafile.json"))).join("\n")}\n`);
    await rm(join(made, "metafile.json"));
    await rm(folder, { recursive: true, force: true });
    await rename(made, folder);
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** The packages of npm that a built page holds, sorted. */
export async function pagePackages(folder: string): Promise<readonly string[]> {
  return (await readFile(`${folder}.packages`, "utf8")).trim().split("\n");
}

async function bundle(assets: string, entry: string, options: readonly string[]): Promise<void> {
  await run(
    join(ROOT, "node_modules/.bin/bun"),
    [
      "build",
      entry,
      "--target=browser",
      "--minify",
      "--entry-naming=[name]-[hash].[ext]",
      '--define=process.env.NODE_ENV="production"',
      ...options,
      `--outdir=${assets}`,
    ],
    { cwd: ROOT },
  );
}

/** The packages of npm that the script holds. */
async function packagesIn(metafile: string): Promise<readonly string[]> {
  const { inputs } = JSON.parse(await readFile(metafile, "utf8")) as {
    readonly inputs: Readonly<Record<string, unknown>>;
  };
  const names = Object.keys(inputs).flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  return [...new Set(names)].sort();
}
