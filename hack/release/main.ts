// SPDX-License-Identifier: Apache-2.0

/** `npm run release`: builds all artefacts of a release into `dist/release`. Nothing is published. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { Command, Option } from "commander";
import { parse } from "yaml";
import { DIST } from "../build/build.ts";
import { ROOT } from "../build/npm.ts";
import { type Architecture, architecture } from "../host/cache.ts";
import { HostError, runMain } from "../host/error.ts";
import { createProgress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { releaseNotes } from "./changelog.ts";
import { makeChart, makeCrds } from "./chart.ts";
import { type CheckoutState, problems } from "./checks.ts";
import { makeCli } from "./cli.ts";
import { makeImages } from "./images.ts";
import { type Made, measureFile, type Release } from "./release.ts";
import { type Artefact, artefactTable, checksums } from "./table.ts";

interface Options {
  readonly dryRun: boolean;
  readonly allowDirty: boolean;
  readonly only: string;
  readonly arch: Architecture | "host" | "all";
  readonly repository: string;
  readonly source?: string;
  readonly out: string;
  readonly keep: boolean;
}

/** The parts of a release, in the order in which they are built. */
const PARTS: Readonly<Record<string, (release: Release, options: Options) => Promise<Made>>> = {
  notes: makeNotes,
  crds: makeCrds,
  chart: makeChart,
  weftctl: makeCli,
  image: makeImages,
};

const program = new Command("npm run release --")
  .description(
    "Builds the artefacts of a release into dist/release: image archives, SBOMs, weftctl, the chart, manifests, notes and checksums. Does not publish anything.",
  )
  .option("--dry-run", "do not require a tag on the commit, and accept notes under Unreleased", false)
  .option("--allow-dirty", "accept uncommitted changes", false)
  .option("--only <parts>", `build only these parts, separated by commas: ${Object.keys(PARTS).join(", ")}`, "")
  .addOption(
    new Option("--arch <name>", "architectures of the image").choices(["amd64", "arm64", "host", "all"]).default("all"),
  )
  .option("--repository <name>", "repository that the image will be pulled from, without a tag", "weft.local/weft")
  .option("--source <url>", "URL of the source code, for the image's labels")
  .option("--out <folder>", "output folder", join(DIST, "release"))
  .option("--keep", "keep existing files of the output folder, such as an image built on another machine", false)
  .addHelpText(
    "after",
    `
Examples:
  npm run release -- --dry-run                      everything that this machine can build
  npm run release -- --dry-run --only chart,crds    the chart and the manifests
  npm run release -- --arch host --only image       on a machine of each architecture, then:
  npm run release -- --only notes,crds,chart,weftctl --keep --repository ghcr.io/OWNER/weft

Exit code 1: a check failed, or, without --dry-run, a part could not be built. The process is in docs/releasing.md.`,
  )
  .action(main);

async function main(options: Options): Promise<void> {
  const progress = createProgress();
  const state = await checkoutState();
  const found = problems(state, options);
  if (found.length > 0) throw new HostError("unsupported", `checks failed:\n  ${found.join("\n  ")}`);
  const { stdout } = await run("git", ["log", "-1", "--format=%H %ct"], { cwd: ROOT });
  const [commit = "", seconds = ""] = stdout.trim().split(" ");
  const release: Release = {
    version: state.version,
    commit,
    time: new Date(Number(seconds) * 1000),
    repository: options.repository,
    ...(options.source === undefined ? {} : { source: options.source }),
    architectures: { amd64: ["amd64"], arm64: ["arm64"], host: [architecture()], all: ["amd64", "arm64"] }[
      options.arch
    ] as readonly Architecture[],
    out: resolve(options.out),
    work: join(DIST, "release-work"),
    progress,
  };
  if (!options.keep) await rm(release.out, { recursive: true, force: true });
  await mkdir(release.out, { recursive: true });
  await mkdir(release.work, { recursive: true });
  progress.note(`weft ${release.version}, commit ${commit.slice(0, 12)}${options.dryRun ? " (dry run)" : ""}`);
  const missing: Artefact[] = [];
  for (const name of partsNamed(options.only)) {
    const made = await progress.step(`release: ${name}`, async () => PARTS[name]?.(release, options));
    for (const one of made?.missing ?? []) missing.push({ name: one.name, missing: one.why });
  }
  await rm(release.work, { recursive: true, force: true });
  const artefacts = await progress.step("release: checksums", () => measureAll(release.out));
  await writeFile(join(release.out, "SHA256SUMS"), checksums(artefacts));
  process.stdout.write(`${artefactTable([...artefacts, ...missing])}in ${release.out}\n`);
  if (missing.length > 0 && !options.dryRun) process.exitCode = 1;
}

function partsNamed(only: string): readonly string[] {
  if (only === "") return Object.keys(PARTS);
  const names = only.split(",");
  const wrong = names.filter((name) => PARTS[name] === undefined);
  if (wrong.length === 0) return names;
  throw new HostError("unsupported", `--only ${wrong.join(",")}: must be one of: ${Object.keys(PARTS).join(", ")}`);
}

async function measureAll(out: string): Promise<readonly Artefact[]> {
  const names = globSync("weft*", { cwd: out }).sort();
  const artefacts: Artefact[] = [];
  for (const name of names) artefacts.push(await measureFile(out, basename(name)));
  return artefacts;
}

async function checkoutState(): Promise<CheckoutState> {
  const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
  const { version } = JSON.parse(read("package.json")) as { readonly version: string };
  const chart = parse(read("charts/weft/Chart.yaml")) as CheckoutState["chart"];
  const lines = async (...args: readonly string[]): Promise<readonly string[]> => {
    const { stdout } = await run("git", args, { cwd: ROOT });
    return stdout.split("\n").filter((line) => line !== "");
  };
  return {
    version,
    chart,
    changelog: existsSync(join(ROOT, "CHANGELOG.md")) ? read("CHANGELOG.md") : "",
    changes: await lines("status", "--porcelain"),
    tags: await lines("tag", "--points-at", "HEAD"),
  };
}

async function makeNotes(release: Release, { dryRun }: Options): Promise<Made> {
  const section = releaseNotes(readFileSync(join(ROOT, "CHANGELOG.md"), "utf8"), release.version, dryRun);
  const name = `weft-notes-${release.version}.md`;
  await writeFile(join(release.out, name), `${section?.notes ?? ""}\n`);
  return { files: [name] };
}

await runMain("release", () => program.parseAsync());
