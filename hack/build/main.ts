// SPDX-License-Identifier: Apache-2.0

/** `npm run build [-- --arch amd64|arm64|host|all] [--weftctl host|all]`: builds dist/ from src/, for both architectures by default. */
import { Command, Option } from "commander";
import { type Architecture, architecture } from "../host/cache.ts";
import { runMain } from "../host/error.ts";
import { createProgress } from "../host/progress.ts";
import { build, DIST } from "./build.ts";
import { buildCli, hostPlatform, PLATFORMS } from "./cli.ts";

const progress = createProgress();
const { arch, weftctl } = new Command("npm run build --")
  .description("Builds dist/: bundles of the controller, the daemon and weftctl, the CNI shim, and the web page.")
  .addOption(
    new Option("--arch <name>", "architectures to build for").choices(["amd64", "arm64", "host", "all"]).default("all"),
  )
  .addOption(
    new Option(
      "--weftctl <platforms>",
      "also build weftctl as one executable, for this machine or for Linux and macOS on both architectures",
    )
      .choices(["none", "host", "all"])
      .default("none"),
  )
  .addHelpText(
    "after",
    `
Examples:
  npm run build -- --arch host
  npm run build -- --weftctl host`,
  )
  .parse()
  .opts<{ arch: Architecture | "host" | "all"; weftctl: "none" | "host" | "all" }>();
const chosen: Readonly<Record<typeof arch, readonly Architecture[]>> = {
  amd64: ["amd64"],
  arm64: ["arm64"],
  host: [architecture()],
  all: ["amd64", "arm64"],
};
await runMain("build", async () => {
  await build(chosen[arch], progress);
  if (weftctl !== "none") await buildCli(weftctl === "host" ? [hostPlatform()] : PLATFORMS, progress);
  progress.note(`built ${DIST}`);
});
