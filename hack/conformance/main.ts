// SPDX-License-Identifier: Apache-2.0

/** `npm run conformance`: Kubernetes' own end-to-end tests of networks, against Weft in the lab. */
import { join } from "node:path";
import { Command } from "commander";
import { HostError } from "../host/error.ts";
import { createProgress } from "../host/progress.ts";
import { ensureKubeBinaries } from "../kube/binaries.ts";
import { ensureE2eTest, ensureGinkgo } from "../kube/e2e.ts";
import { LabError } from "../lab/error.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { importTestImages } from "./images.ts";
import { describeMode, modeName, modeOf } from "./mode.ts";
import { NOT_APPLICABLE, NOT_BEFORE_OVN_26, NOT_WITHOUT_KUBE_PROXY, skippedSpecs } from "./not-applicable.ts";
import { formatResults, processes, runSpecs } from "./specs.ts";

const FOCUS = "\\[sig-network\\].*\\[Conformance\\]";
const ALL = "\\[sig-network\\]";
/** Hours that all of it may take, on a busy machine. */
const LIMIT = "3h";

interface Options {
  readonly all: boolean;
  readonly focus?: string;
  readonly skip?: string;
  readonly procs: number;
  readonly resume: boolean;
  readonly json: boolean;
}

async function main({ all, focus: chosen, skip: unwanted, procs, resume, json }: Options): Promise<void> {
  const focus = chosen ?? (all ? ALL : FOCUS);
  const progress = createProgress();
  const lab = openLab(progress);
  if (process.getuid?.() !== 0)
    throw new LabError("not-root", "the lab needs root to create namespaces and mounts: run this with sudo");
  const [kube, e2eTest] = [await ensureKubeBinaries(progress), await ensureE2eTest(progress)];
  if (lab.settings === undefined) await lab.up({ nodes: 2, cni: "weft", ipFamily: "dual" });
  await importTestImages(lab, kube, e2eTest, progress);
  await labelZones(lab);
  const mode = await modeOf(lab);
  const folder = join(lab.paths.state, "conformance", modeName(mode));
  const skip = [...(all ? [skippedSpecs(mode)] : []), ...(unwanted === undefined ? [] : [unwanted])].join("|");

  const args = [
    `--kubeconfig=${lab.paths.kubeconfig}`,
    "--provider=local",
    `--num-nodes=${lab.nodes.length}`,
    // The node with the role's label takes pods like the others, and has no taint.
    "--dump-logs-on-failure=false",
  ];
  const specs = { program: e2eTest, focus, skip, resume, limit: LIMIT, args, folder };
  const parallel = procs === 1 ? {} : { parallel: { ginkgo: await ensureGinkgo(progress), procs } };
  const ended = await runSpecs({ ...specs, ...parallel }, progress);
  const { results } = ended;
  process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : formatResults(results, describeMode(mode)));
  process.exitCode = ended.passed ? 0 : 1;
}

/** Spreads the nodes over three zones: specs of traffic distribution need three, some with two nodes in each. */
async function labelZones(lab: Lab): Promise<void> {
  for (const [index, node] of lab.nodes.entries()) {
    const label = `topology.kubernetes.io/zone=zone-${(index % 3) + 1}`;
    await lab.kubectl(["label", "--overwrite", "node", node, label]);
  }
}

function reasons(specs: Readonly<Record<string, string>>): string {
  return Object.entries(specs)
    .map(([part, reason]) => `  ${part}: ${reason}`)
    .join("\n");
}

const program = new Command("npm run conformance --")
  .description(
    "Runs Kubernetes' end-to-end tests against Weft in the lab, which is started if it is not running. The first run builds e2e.test with Go.",
  )
  .option(
    "--all",
    "all specs of sig-network that apply to the lab, two hours or more; the others are listed below",
    false,
  )
  .option("--focus <regex>", `run the specs that match (default: "${FOCUS}")`)
  .option("--skip <regex>", "skip the specs that match")
  .option("--procs <n>", "specs that run at once; [Serial] ones run alone", processes, 1)
  .option(
    "--resume",
    "leave out what has passed on this lab with this image of Weft; the result is that of all runs",
    false,
  )
  .option("--json", "print the results as JSON", false)
  .addHelpText(
    "after",
    `
Not part of --all:
${reasons(NOT_APPLICABLE)}
Nor on a lab without kube-proxy:
${reasons(NOT_WITHOUT_KUBE_PROXY)}
Nor with an OVN before 26.03 (docs/services.md, Large UDP datagrams):
${reasons(NOT_BEFORE_OVN_26)}

Examples:
  npm run conformance
  npm run lab -- up --ip-family dual --nodes 3 --no-kube-proxy && npm run conformance -- --all
  npm run conformance -- --all --procs 3 --resume
  npm run conformance -- --focus "Netpol NetworkPolicy between" --skip SCTP`,
  )
  .action(main);
program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof HostError || error instanceof LabError ? `conformance: ${error.message}` : error);
  process.exitCode = 1;
});
