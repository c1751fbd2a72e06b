// SPDX-License-Identifier: Apache-2.0

import type { Command } from "commander";
import { INSTALL_NAMESPACE } from "../api/names.ts";
import { statusCommand } from "./status-command.ts";
import { EXEC_RIGHTS, type Report } from "./tools/commands.ts";
import { podCommands } from "./tools/pod-commands.ts";

interface StatusOptions {
  readonly namespace: string;
  /** False with `--no-lag`. */
  readonly lag: boolean;
}

/** Adds `status`. `report` runs an action with a connection and prints its answer. */
export function addStatusCommand(program: Command, report: Report): void {
  program
    .command("status")
    .description(
      "show the leader, the parts of Weft, nodes, VPCs, subnets with their addresses, and how far changes have come",
    )
    .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .option("--no-lag", "use the API server only: run no commands in Weft's pods")
    .addHelpText(
      "after",
      `
Examples:
  weftctl status
  weftctl status --no-lag -o json

How far changes have come is asked in the pods of the leader and of ovn-central, and by a change of OVN's databases that only counts (nb_cfg). It needs ${EXEC_RIGHTS}; without
it a warning says so.

Exit codes: 0 healthy, 1 a part does not run, an object is not accepted, or changes do not arrive, 2 the command failed.`,
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<StatusOptions>();
      const { namespace, lag } = options;
      return report(options, (connection) => {
        const capture = lag ? podCommands(connection, namespace).capture : undefined;
        return statusCommand(connection.kube, namespace, Date.now(), capture);
      });
    });
}
