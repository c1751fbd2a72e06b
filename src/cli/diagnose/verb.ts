// SPDX-License-Identifier: Apache-2.0

import { Argument, type Command } from "commander";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import { EXEC_RIGHTS, type Report } from "../tools/commands.ts";
import { podCommands } from "../tools/pod-commands.ts";
import { AREAS, diagnoseCommand } from "./command.ts";
import { lookAtNode } from "./on-node/collect.ts";
import type { NodeLookQuestion } from "./on-node/node-view.ts";
import { runHere } from "./on-node/programs.ts";
import { NODE_COMMAND } from "./on-nodes.ts";

interface DiagnoseOptions {
  readonly namespace: string;
  /** False with `--no-nodes`. */
  readonly nodes: boolean;
}

/** Adds `diagnose`, and the hidden command that it runs on nodes. `report` runs an action with a connection and prints its answer. */
export function addDiagnoseCommand(program: Command, report: Report): void {
  program
    .command("diagnose")
    .description("check for problems: each finding with its evidence and what to do")
    .addArgument(new Argument("[area]", "what to check").choices(AREAS).default("all"))
    .argument("[name]", "one object of it: a node, a subnet, NAMESPACE/POD or NAMESPACE/POLICY")
    .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .option("--no-nodes", "use the API server only: run no commands in Weft's pods, send no packets")
    .addHelpText(
      "after",
      `
Examples:
  weftctl diagnose
  weftctl diagnose node worker-1
  weftctl diagnose pod shop/cart -o yaml
  weftctl diagnose all --no-nodes

From the API server: nodes and their tunnels, Weft's pods, subnets, IP objects, pods without an address, and Weft's Events of the last hour. By commands in Weft's pods: echo requests
of the full size through the tunnels, MTUs, checksums, routes and addresses of nodes and pods, tracked UDP flows to endpoints that are gone, addresses that another machine on the wire has (ARP and
neighbour probes), and rows of the northbound database that differ from the objects. These need ${EXEC_RIGHTS}; without it a warning says so. Parts
that the account may not read are reported, and the rest is checked.

Exit codes: 0 nothing was found, 1 something was found, or could not be checked, 2 the command failed.`,
    )
    .action((area: (typeof AREAS)[number], name: string | undefined, _, command: Command) => {
      const options = command.optsWithGlobals<DiagnoseOptions>();
      const { namespace, nodes } = options;
      const question = { area, ...(name !== undefined && { name }) };
      return report(options, (connection) => {
        const commands = nodes ? podCommands(connection, namespace) : undefined;
        return diagnoseCommand(connection.kube, namespace, question, Date.now(), commands);
      });
    });
  program
    .command(NODE_COMMAND, { hidden: true })
    .description("prints what `diagnose` asks of the node on which it runs, as JSON")
    .argument("<question>", "as JSON")
    .action(async (question: string) => {
      // `diagnose` of the same program has written it.
      const asked = JSON.parse(question) as NodeLookQuestion;
      process.stdout.write(`${JSON.stringify(await lookAtNode(runHere, asked))}\n`);
    });
}
