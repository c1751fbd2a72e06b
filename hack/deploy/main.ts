// SPDX-License-Identifier: Apache-2.0

/** `node hack/deploy/main.ts`: brings the checkout's Weft into its lab (or up to date there). `npm run lab -- up` calls it. */
import { Command } from "commander";
import { HostError } from "../host/error.ts";
import { createProgress, formatDuration } from "../host/progress.ts";
import { LabError } from "../lab/error.ts";
import { openLab } from "../lab/lab.ts";

const progress = createProgress();
const lab = openLab(progress);
// The lab keeps the Debian suite that it came up with; the image's modules read it from the environment when they are loaded.
const suite = lab.settings?.suite;
if (suite !== undefined) process.env["WEFT_DEBIAN_SUITE"] ??= suite;
const { deploy } = await import("./deploy.ts");

const { set, timeout } = new Command("node hack/deploy/main.ts")
  .description("Builds Weft and its image, brings it into the lab's nodes and installs the chart.")
  .option("--set <value...>", "a value of the chart, as helm takes it: logLevel=debug")
  .option("--timeout <seconds>", "until all must be ready", Number, 180)
  .parse()
  .opts<{ set?: readonly string[]; timeout: number }>();
const since = Date.now();
try {
  await deploy(lab, progress, { ...(set === undefined ? {} : { set }), timeoutMs: timeout * 1000 });
  progress.note(`Weft runs in the lab (${formatDuration(Date.now() - since)})`);
} catch (error) {
  if (!(error instanceof HostError || error instanceof LabError)) throw error;
  console.error(`deploy: ${error.message}`);
  process.exitCode = 1;
}
