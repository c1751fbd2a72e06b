// SPDX-License-Identifier: Apache-2.0

/** `npm run conformance:kube-ovn`: Kube-OVN's own end-to-end tests, against Weft in the lab. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { createApi } from "../../docker/api.ts";
import { DockerEngine } from "../../docker/engine.ts";
import { openLabHost } from "../../docker/lab-host.ts";
import { HostError } from "../../host/error.ts";
import { ensurePackages, type Need } from "../../host/packages.ts";
import { createProgress } from "../../host/progress.ts";
import { ensureKubeBinaries } from "../../kube/binaries.ts";
import { ensureGinkgo } from "../../kube/e2e.ts";
import { LabError } from "../../lab/error.ts";
import { type Lab, openLab } from "../../lab/lab.ts";
import { OUTSIDE } from "../../lab/topology.ts";
import { describeMode, modeName, modeOf } from "../mode.ts";
import { formatResults, processes, runSpecs } from "../specs.ts";
import { ensureSuite, KUBE_OVN } from "./build.ts";
import { importImages } from "./images.ts";
import { NOT_APPLICABLE_IN_SUITE, skippedInSuite } from "./not-applicable.ts";
import { writePrograms } from "./programs.ts";

const FOCUS = "CNI:Kube-OVN";
/** Hours that a suite may take, on a busy machine. */
const LIMIT = "3h";
/** kind's name of the cluster, in labels and in the nodes' `providerID`. */
const CLUSTER = "weft";

/** What specs call in containers that they create, which have the programs of this machine. */
const NEEDS: readonly Need[] = [
  { what: "arping", package: "arping" },
  { what: "ndisc6", package: "ndisc6" },
];

interface Options {
  readonly all: boolean;
  readonly focus: string;
  readonly skip?: string;
  readonly procs: number;
  readonly resume: boolean;
  readonly json: boolean;
}

async function main(suite: string, { all, focus, skip: unwanted, procs, resume, json }: Options): Promise<void> {
  const progress = createProgress();
  const lab = openLab(progress);
  if (process.getuid?.() !== 0)
    throw new LabError("not-root", "the lab needs root to create namespaces and mounts: run this with sudo");
  const program = await ensureSuite(suite, progress);
  if (lab.settings === undefined) await lab.up({ nodes: 2, cni: "weft", ipFamily: "dual" });
  await ensurePackages(NEEDS, progress);
  await importImages(lab, await ensureKubeBinaries(progress), progress);
  await nameProvider(lab);
  const mode = await modeOf(lab);
  const folder = join(lab.paths.state, "conformance", `kube-ovn-${suite}-${modeName(mode)}`);
  const programs = join(lab.paths.state, "conformance", "kube-ovn-bin");
  await writePrograms(programs);
  const parallel = procs === 1 ? {} : { parallel: { ginkgo: await ensureGinkgo(progress), procs } };

  const host = await openLabHost(lab);
  // Paths of sockets have at most 107 bytes (unix(7)), and those of checkouts may be longer.
  const socketFolder = await mkdtemp(join(tmpdir(), "weft-docker-"));
  const socket = join(socketFolder, "docker.sock");
  const api = createApi(new DockerEngine(host, CLUSTER));
  try {
    await new Promise<void>((resolve, reject) => api.once("error", reject).listen(socket, resolve));
    const { results, passed } = await runSpecs(
      {
        program,
        // As the machine of kind's containers: outside the nodes, with the gateways' addresses, and without a way to anything but the lab.
        // nsenter changes to the root folder, and Ginkgo's command looks for its report from where it is.
        within: (command) => lab.node(OUTSIDE).command(["env", `--chdir=${folder}`, ...command]),
        focus,
        skip: [all ? undefined : skippedInSuite(suite), unwanted]
          .filter((one) => one !== undefined && one !== "")
          .join("|"),
        ...parallel,
        resume,
        limit: LIMIT,
        args: [`-kubeconfig=${lab.paths.nodeKubeconfig}`, `-num-nodes=${lab.nodes.length}`],
        env: {
          DOCKER_HOST: `unix://${socket}`,
          KUBECONFIG: lab.paths.nodeKubeconfig,
          PATH: [programs, lab.paths.bin, process.env["PATH"]].join(":"),
          // The newest: specs of older releases are left out.
          E2E_BRANCH: "master",
          E2E_IP_FAMILY: lab.settings?.ipFamily ?? "ipv4",
          E2E_NETWORK_MODE: "overlay",
        },
        folder,
      },
      progress,
    );
    const of = `${suite} of Kube-OVN ${KUBE_OVN.version}; ${describeMode(mode)}`;
    process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : formatResults(results, of));
    process.exitCode = passed ? 0 : 1;
  } finally {
    api.closeAllConnections();
    api.close();
    await host.close();
    await rm(socketFolder, { recursive: true, force: true });
  }
}

/** Specs that need Docker look for a cluster of kind by the nodes' `providerID`, which can be set once. */
async function nameProvider(lab: Lab): Promise<void> {
  for (const node of lab.nodes) {
    const { stdout } = await lab.kubectl(["get", "node", node, "--output=jsonpath={.spec.providerID}"]);
    if (stdout !== "") continue;
    const patch = JSON.stringify({ spec: { providerID: `kind://docker/${CLUSTER}/${node}` } });
    await lab.kubectl(["patch", "node", node, `--patch=${patch}`]);
  }
}

function reasons(): string {
  return Object.entries(NOT_APPLICABLE_IN_SUITE)
    .flatMap(([suite, specs]) => [
      `  ${suite}`,
      ...Object.entries(specs).map(([part, reason]) => `    ${part}: ${reason}`),
    ])
    .join("\n");
}

const program = new Command("npm run conformance:kube-ovn --")
  .description(
    "Runs one of Kube-OVN's end-to-end suites against Weft in the lab, which is started if it is not running. A suite is built with Go the first time. What suites ask of Docker, networks and commands in nodes, is done in the lab.",
  )
  .argument("<suite>", `a folder of test/e2e of Kube-OVN ${KUBE_OVN.version}: kube-ovn, ovn-vpc-nat-gw, vip …`)
  .option("--all", "also the specs that are listed below", false)
  .option("--focus <regex>", "run the specs that match", FOCUS)
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
Not run without --all:
${reasons()}

Examples:
  npm run conformance:kube-ovn -- ovn-vpc-nat-gw
  npm run conformance:kube-ovn -- kube-ovn --focus "group:subnet"
  npm run conformance:kube-ovn -- kube-ovn --procs 2 --resume
  npm run lab -- up --ip-family dual --nodes 3 && npm run conformance:kube-ovn -- kube-ovn`,
  )
  .action(main);
program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof HostError || error instanceof LabError ? `conformance: ${error.message}` : error);
  process.exitCode = 1;
});
