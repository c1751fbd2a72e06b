/** `npm run build [-- --arch amd64|arm64|host|all]`: builds dist/ from src/, for both architectures by default. */
import { Command, Option } from "commander";
import { type Architecture, architecture } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { createProgress } from "../host/progress.ts";
import { build, DIST } from "./build.ts";

const progress = createProgress();
const { arch } = new Command("npm run build --")
  .description("Builds dist/: bundles of the controller, the daemon and weftctl, and the CNI shim.")
  .addOption(
    new Option("--arch <name>", "for which machines").choices(["amd64", "arm64", "host", "all"]).default("all"),
  )
  .parse()
  .opts<{ arch: Architecture | "host" | "all" }>();
const chosen: Readonly<Record<typeof arch, readonly Architecture[]>> = {
  amd64: ["amd64"],
  arm64: ["arm64"],
  host: [architecture()],
  all: ["amd64", "arm64"],
};
try {
  await build(chosen[arch], progress);
  progress.note(`built ${DIST}`);
} catch (error) {
  if (!(error instanceof HostError)) throw error;
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
