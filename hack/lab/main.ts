// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Command, InvalidArgumentError, Option } from "commander";
import { HostError } from "../host/error.ts";
import { createProgress, seconds } from "../host/progress.ts";
import { LabError } from "./error.ts";
import { openLab } from "./lab.ts";
import type { SettingsChoice } from "./settings.ts";
import { spaceEnvironment } from "./space.ts";
import { formatStatus } from "./status.ts";
import { EXTERNAL, MAX_NODES } from "./topology.ts";

const progress = createProgress();
const lab = openLab(progress);

const PART_HELP = `
PART is as "status" lists it:
  etcd, apiserver, controller-manager, scheduler
  NODE/containerd, NODE/kubelet, NODE/kube-proxy       (NODE: weft-1, weft-2, …)
  ext/echo
or a whole space with all that runs in it (containers too): NODE, ctl, ext, fabric.`;

/** Commands, each as its help says. */
function commands(): Command {
  const program = new Command("npm run lab --")
    .enablePositionalOptions()
    .description("A real Kubernetes cluster on this machine, made of namespaces. Needs root; installs what it needs.")
    .addHelpText(
      "after",
      `
State is in .lab/: kubeconfig, bin/ (kubectl, helm, …), nodes/NAME/ (logs, containerd.sock, netns).
Nodes are weft-1, weft-2, …: eth0 for the API, eth1 for tunnels. "ext" is their default gateway; a web server there
answers with the client's address: http://${EXTERNAL.v4}/ and http://[${EXTERNAL.v6}]/ (/json for more).`,
    );
  program
    .command("up")
    .description("bring the lab up, or whatever of it is missing")
    .option("--nodes <n>", `how many nodes (1–${MAX_NODES}; default 2, or as it is)`, count)
    .addOption(
      new Option("--cni <plugin>", "weft (default), bridge (Debian's bridge + host-local) or none").choices([
        "weft",
        "bridge",
        "none",
      ]),
    )
    .addOption(
      new Option("--ip-family <family>", "of pods and Services (default ipv4)").choices(["ipv4", "ipv6", "dual"]),
    )
    .action(async (choice: SettingsChoice) => {
      const since = Date.now();
      const settings = await lab.up(choice);
      progress.note(
        `the lab is up (${settings.nodes} nodes, ${seconds(Date.now() - since)}); export KUBECONFIG=${lab.paths.kubeconfig}`,
      );
    });
  program
    .command("down")
    .description("take the lab down and remove all of it, also after a crash")
    .action(() => lab.down());
  program
    .command("status")
    .description("show parts and nodes; exit code 3 unless all are there")
    .option("--json", "as JSON")
    .action(async ({ json }: { readonly json?: boolean }) => {
      const status = await lab.status();
      console.log(json === true ? JSON.stringify(status, null, 2) : formatStatus(status));
      if (!status.whole) process.exitCode = 3;
    });
  program
    .command("node")
    .description("run a command in a node's namespaces (or in ext, ctl, fabric); a shell without CMD")
    .argument("<name>")
    .argument("[cmd...]")
    .passThroughOptions()
    .action(runInNode);
  const image = program.command("image").description("images of the nodes");
  image
    .command("import")
    .description("put an OCI image archive into every node")
    .argument("<file>")
    .action((file: string) => lab.importImage(file));
  fault(program, "kill", "kill a part (SIGKILL); a whole space as in a power cut", lab.kill);
  fault(program, "pause", "stop a part (SIGSTOP): it is there and answers nothing", async (part) => lab.pause(part));
  fault(program, "resume", "let a paused part go on", async (part) => lab.resume(part));
  fault(program, "start", 'start a part that is dead (a space: use "up")', lab.start);
  return program;
}

function fault(program: Command, name: string, description: string, action: (part: string) => Promise<void>): void {
  program.command(name).description(description).argument("<part>").addHelpText("after", PART_HELP).action(action);
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MAX_NODES)
    throw new InvalidArgumentError(`a number from 1 to ${MAX_NODES}`);
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
