// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Command, InvalidArgumentError, Option } from "commander";
import { HostError } from "../host/error.ts";
import { createProgress, formatDuration } from "../host/progress.ts";
import { LabError } from "./error.ts";
import { openLab } from "./lab.ts";
import type { SettingsChoice } from "./settings.ts";
import { spaceEnvironment } from "./space.ts";
import { formatLabStatus } from "./status.ts";
import { EXTERNAL, IP_FAMILIES, MAX_NODES } from "./topology.ts";

const progress = createProgress();
const lab = openLab(progress);

const PART_HELP = `
PART is one of those that "status" lists:
  etcd, apiserver, controller-manager, scheduler
  NODE/containerd, NODE/kubelet, NODE/kube-proxy       (NODE: weft-1, weft-2, …)
  ext/echo
or a node with all of its processes (containers too): NODE, ctl, ext, fabric.`;

/** What `up` is given: commander leaves the numbers of choices as text. */
type UpOptions = Omit<SettingsChoice, "centrals"> & { readonly centrals?: string };

/** The commands of the lab; their help describes them. */
function commands(): Command {
  const program = new Command("npm run lab --")
    .enablePositionalOptions()
    .showHelpAfterError("(npm run lab -- --help, or COMMAND --help, shows what there is)")
    .description(
      "Runs a real Kubernetes cluster on this machine, with Linux namespaces as nodes. Needs root; installs missing packages.",
    )
    .addHelpText(
      "after",
      `
State is in .lab/: kubeconfig, bin/ (kubectl, helm, …), nodes/NAME/ (logs, containerd.sock, netns).
Nodes are weft-1, weft-2, …: eth0 for the API, eth1 for tunnels. "ext" is their default gateway; a web server there
replies with the client's address: http://${EXTERNAL.v4}/ and http://[${EXTERNAL.v6}]/ (/json for more).

Examples:
  npm run lab -- up
  export KUBECONFIG=$PWD/.lab/kubeconfig PATH=$PWD/.lab/bin:$PATH
  npm run lab -- node weft-1 ip address
  npm run lab -- kill weft-1/kubelet
  npm run lab -- down`,
    );
  program
    .command("up")
    .description("start the lab, or the parts of it that do not run")
    .addHelpText(
      "after",
      `
Examples:
  npm run lab -- up --ip-family dual
  npm run lab -- up --nodes 3 --no-kube-proxy`,
    )
    .option("--nodes <n>", `number of nodes (1–${MAX_NODES}; default 2, or unchanged if the lab runs)`, count)
    .addOption(
      new Option("--cni <plugin>", "weft (default), bridge (Debian's bridge + host-local) or none").choices([
        "weft",
        "bridge",
        "none",
      ]),
    )
    .addOption(
      new Option("--ip-family <family>", "address families of pods and Services (default ipv4)").choices(IP_FAMILIES),
    )
    .option("--no-kube-proxy", "no kube-proxy: Weft serves Services to nodes and to what is outside")
    .option("--tls", "OVN's databases are reached by TLS (default, or unchanged if the lab runs)")
    .option("--no-tls", "OVN's databases are reached without TLS")
    .addOption(new Option("--centrals <n>", "replicas of ovn-central, one a node (default 1)").choices(["1", "3"]))
    .action(async ({ kubeProxy, centrals, ...rest }: UpOptions) => {
      const choice: SettingsChoice = {
        ...rest,
        // commander says true where the option is not given.
        ...(kubeProxy === false && { kubeProxy }),
        ...(centrals !== undefined && { centrals: centrals === "3" ? 3 : 1 }),
      };
      const since = Date.now();
      const settings = await lab.up(choice);
      progress.note(
        `the lab is up (${settings.nodes} nodes, ${formatDuration(Date.now() - since)}); export KUBECONFIG=${lab.paths.kubeconfig}`,
      );
    });
  program
    .command("down")
    .description("stop the lab and remove all of its files, also after a crash")
    .action(() => lab.down());
  program
    .command("status")
    .description("show parts and nodes; exit code 3 unless all of them run")
    .option("--json", "print JSON")
    .action(async ({ json }: { readonly json?: boolean }) => {
      const status = await lab.status();
      console.log(json === true ? JSON.stringify(status, null, 2) : formatLabStatus(status));
      if (!status.whole) process.exitCode = 3;
    });
  program
    .command("node")
    .description("run a command (default: a shell) in the namespaces of a node (or of ext, ctl, fabric)")
    .argument("<name>")
    .argument("[cmd...]")
    .passThroughOptions()
    .action(runInNode);
  const image = program.command("image").description("manage container images of the nodes");
  image
    .command("import")
    .description("import an OCI image archive into every node")
    .argument("<file>")
    .action((file: string) => lab.importImage(file));
  fault(program, "kill", "kill a part (SIGKILL), or a node, as a power failure would", lab.kill);
  fault(program, "pause", "suspend a part (SIGSTOP): it exists but does not respond", async (part) => lab.pause(part));
  fault(program, "resume", "resume a paused part (SIGCONT)", async (part) => lab.resume(part));
  fault(program, "start", 'start a part that does not run (for a node, use "up")', lab.start);
  return program;
}

function fault(program: Command, name: string, description: string, action: (part: string) => Promise<void>): void {
  program.command(name).description(description).argument("<part>").addHelpText("after", PART_HELP).action(action);
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MAX_NODES)
    throw new InvalidArgumentError(`must be a number from 1 to ${MAX_NODES}`);
  return value;
}

async function runInNode(name: string, command: readonly string[]): Promise<void> {
  const words = command[0] === "--" ? command.slice(1) : command;
  const [program = "", ...args] = lab.node(name).command(words.length === 0 ? ["bash"] : words);
  const child = spawn(program, args, { stdio: "inherit", env: spaceEnvironment(lab.paths, name) });
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 137);
}

try {
  await commands().parseAsync();
} catch (error) {
  if (!(error instanceof LabError || error instanceof HostError)) throw error;
  console.error(`lab: ${error.message}`);
  process.exitCode = 1;
}
