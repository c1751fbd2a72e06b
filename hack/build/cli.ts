// SPDX-License-Identifier: Apache-2.0

import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Architecture, architecture, replaceAtomically } from "../host/cache.ts";
import type { Progress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { compile, DIST, inputsOf, unlessCurrent } from "./build.ts";
import { contentHash } from "./inputs.ts";
import { makeStartable } from "./macho.ts";
import { packageFolder, ROOT } from "./npm.ts";

/** Operating system and architecture of a `weftctl`, as Go and OCI name them. */
export type Platform = `${"linux" | "darwin"}-${Architecture}`;

/** All platforms of a release. */
export const PLATFORMS: readonly Platform[] = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"];

/** bun's name of each platform, and the npm package that holds its runtime. */
const RUNTIMES: Readonly<Record<Platform, { readonly target: string; readonly package: string }>> = {
  "linux-amd64": { target: "bun-linux-x64", package: "@oven/bun-linux-x64" },
  "linux-arm64": { target: "bun-linux-arm64", package: "@oven/bun-linux-aarch64" },
  "darwin-amd64": { target: "bun-darwin-x64", package: "@oven/bun-darwin-x64" },
  "darwin-arm64": { target: "bun-darwin-arm64", package: "@oven/bun-darwin-aarch64" },
};

/** The platform of this machine. */
export function hostPlatform(): Platform {
  return `${process.platform === "darwin" ? "darwin" : "linux"}-${architecture()}`;
}

/** The program for a platform. */
export function cliPath(platform: Platform): string {
  return join(DIST, "bin", `weftctl-${platform}`);
}

/** A folder for the PATH, in which this machine's `weftctl` has that name. */
export const CLI_FOLDER: string = join(DIST, "host");

/** The chart's files by their paths in the chart, the CRDs among them: what helm reads of the folder `charts/weft`. */
export function chartFiles(): Readonly<Record<string, string>> {
  const chart = join(ROOT, "charts/weft");
  const names = [
    ...globSync("{Chart.yaml,values.yaml,values.schema.json,templates/*,monitoring/**/*.{yaml,json}}", { cwd: chart }),
    // files/crds is a link to crds/, which glob does not follow.
    ...globSync("*.yaml", { cwd: join(chart, "files/crds/") }).map((name) => `files/crds/${name}`),
  ];
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(chart, name), "utf8")]));
}

/**
 * Builds `dist/bin/weftctl-OS-ARCH`: one executable for each platform, with the chart, the version and the commit in it. Rejects with HostError
 * `download` where the npm registry does not serve a platform's runtime, `unsupported` where macOS would not start what was made.
 */
export async function buildCli(platforms: readonly Platform[], progress: Progress): Promise<void> {
  const entry = await writeEntry();
  for (const platform of platforms) {
    const output = cliPath(platform);
    await unlessCurrent(output, `${inputsOf(join(ROOT, "src/cli/main.ts"))} ${entry.hash}`, () =>
      progress.step(`building weftctl for ${platform}`, async () => {
        const { target, package: name } = RUNTIMES[platform];
        const runtime =
          platform === hostPlatform()
            ? []
            : [`--compile-executable-path=${join(await packageFolder(name), "bin/bun")}`];
        await compile(["--minify", "--keep-names", `--target=${target}`, ...runtime], entry.file, output);
        if (platform.startsWith("darwin")) await makeStartable(output, platform === "darwin-arm64" ? "arm64" : "amd64");
      }),
    );
    if (platform === hostPlatform()) {
      await mkdir(CLI_FOLDER, { recursive: true });
      await replaceAtomically(join(CLI_FOLDER, "weftctl"), (temporary) => symlink(output, temporary));
    }
  }
}

/** The program's entry: it says what is embedded (`src/cli/install/embedded.ts` reads it), then runs the CLI. */
async function writeEntry(): Promise<{ readonly file: string; readonly hash: string }> {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { readonly version: string };
  const embedded = JSON.stringify({ version, commit: await commit(), chart: chartFiles() });
  const folder = join(DIST, "weftctl");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "embedded.json"), embedded);
  const file = join(folder, "entry.ts");
  await writeFile(
    file,
    `import embedded from "./embedded.json";
Reflect.set(globalThis, Symbol.for("weft.embedded"), embedded);
await import("../../src/cli/main.ts");
`,
  );
  return {
    file,
    hash: contentHash(ROOT, [file, import.meta.filename, join(import.meta.dirname, "macho.ts")], [embedded]),
  };
}

/** The commit that is checked out, with `-dirty` where the checkout has changes; "unknown" outside a checkout of git. */
async function commit(): Promise<string> {
  if (!existsSync(join(ROOT, ".git"))) return "unknown";
  const { stdout } = await run("git", ["describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"], { cwd: ROOT });
  return stdout.trim();
}
