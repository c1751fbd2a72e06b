/** `node hack/deploy/main.ts`: brings the checkout's Weft into its lab (or up to date there). `npm run lab -- up` calls it. */
import { Command } from "commander";
import { HostError } from "../host/error.ts";
import { createProgress, seconds } from "../host/progress.ts";
import { LabError } from "../lab/error.ts";
import { openLab } from "../lab/lab.ts";
import { deploy } from "./deploy.ts";

const progress = createProgress();
const { set, timeout } = new Command("node hack/deploy/main.ts")
  .description("Builds Weft and its image, brings it into the lab's nodes and installs the chart.")
  .option("--set <value...>", "a value of the chart, as helm takes it: logLevel=debug")
  .option("--timeout <seconds>", "until all must be ready", Number, 180)
  .parse()
  .opts<{ set?: readonly string[]; timeout: number }>();
const since = Date.now();
try {
  await deploy(openLab(progress), progress, { ...(set === undefined ? {} : { set }), timeoutMs: timeout * 1000 });
  progress.note(`Weft runs in the lab (${seconds(Date.now() - since)})`);
} catch (error) {
  if (!(error instanceof HostError || error instanceof LabError)) throw error;
  console.error(`deploy: ${error.message}`);
  process.exitCode = 1;
}
