// SPDX-License-Identifier: Apache-2.0

/** `npm run image`: builds what is stale, then the image archive for this machine, and prints its path. */
import { build } from "../build/build.ts";
import { architecture } from "../host/cache.ts";
import { HostError } from "../host/error.ts";
import { createProgress } from "../host/progress.ts";
import { IMAGE, makeImage } from "./image.ts";

const progress = createProgress();
try {
  await build([architecture()], progress);
  const { archive } = await makeImage(progress);
  progress.note(`${IMAGE.repository}:${IMAGE.tag} is in`);
  process.stdout.write(`${archive}\n`);
} catch (error) {
  if (!(error instanceof HostError)) throw error;
  console.error(`image: ${error.message}`);
  process.exitCode = 1;
}
