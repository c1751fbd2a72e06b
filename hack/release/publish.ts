// SPDX-License-Identifier: Apache-2.0

/** `npm run release:publish`: hands what `npm run release` built to a registry and to GitHub. The release workflow calls it. */
import { appendFileSync, globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { DIST } from "../build/build.ts";
import { ROOT } from "../build/npm.ts";
import { runMain } from "../host/error.ts";
import { createProgress } from "../host/progress.ts";
import { run } from "../host/run.ts";
import { type PublishInput, publishSteps } from "./publish-steps.ts";

interface Options {
  readonly dryRun: boolean;
  readonly repository: string;
  readonly out: string;
}

async function main({ dryRun, repository, out }: Options): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { readonly version: string };
  const folder = resolve(out);
  const input: PublishInput = { version, repository: repository.toLowerCase(), files: globSync("*", { cwd: folder }) };
  const progress = createProgress();
  // What one command says that a later one needs: the digest of the image.
  const known: Record<string, string> = {};
  for (const { command, args, output } of publishSteps(input)) {
    const filled = args.map((arg) => arg.replaceAll(/\{(\w+)\}/g, (whole, name: string) => known[name] ?? whole));
    if (dryRun) {
      process.stdout.write(`${[command, ...filled].join(" ")}\n`);
      continue;
    }
    const { stdout } = await progress.step([command, ...filled].slice(0, 3).join(" "), () =>
      run(command, filled, { cwd: folder }),
    );
    if (output === undefined) continue;
    known[output] = stdout.trim();
    const file = process.env["GITHUB_OUTPUT"];
    if (file !== undefined) appendFileSync(file, `${output}=${known[output]}\n`);
  }
}

const program = new Command("npm run release:publish --")
  .description("Pushes images and chart, signs them (cosign, keyless), and creates the GitHub release as a draft.")
  .requiredOption("--repository <name>", "repository to push the image to, without a tag: ghcr.io/OWNER/weft")
  .option("--out <folder>", "output folder of `npm run release`", join(DIST, "release"))
  .option("--dry-run", "print the commands without running them", false)
  .addHelpText(
    "after",
    `
Runs skopeo, docker buildx, helm, cosign and gh, which must be logged in.

Example:
  npm run release:publish -- --repository ghcr.io/OWNER/weft --dry-run`,
  )
  .action(main);

await runMain("release", () => program.parseAsync());
