// SPDX-License-Identifier: Apache-2.0

/** `npm run image`: builds what is stale, then the image archive for this machine, and prints its path. */
import { Command } from "commander";
import { build } from "../build/build.ts";
import { architecture } from "../host/cache.ts";
import { runMain } from "../host/error.ts";
import { createProgress } from "../host/progress.ts";
import { IMAGE, makeImage } from "./image.ts";

new Command("npm run image --")
  .description(
    "Builds Weft's image for this machine as an OCI archive in dist/image, and prints the archive's path. The first run builds the base layer with Open vSwitch and OVN, which needs root.",
  )
  .addHelpText("after", "\nExample:\n  docker load --input $(npm run -s image)")
  .parse();
const progress = createProgress();
await runMain("image", async () => {
  await build([architecture()], progress);
  const { archive } = await makeImage(progress);
  progress.note(`built ${IMAGE.repository}:${IMAGE.tag}`);
  process.stdout.write(`${archive}\n`);
});
