// SPDX-License-Identifier: Apache-2.0

import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { untilInterrupted } from "../install/terminal.ts";
import { viewNode } from "./node-view.ts";
import { type CentralChoice, listen, portsBetweenNodes, unreachable } from "./ports.ts";

/** The number of entries that fit into the 4096 bytes of a termination message beside the rest. */
const MAX_UNREACHABLE = 20;

interface LookOptions extends CentralChoice {
  readonly root: string;
  readonly message: string;
  readonly confDir: string;
  readonly tunnelInterface: string;
  readonly timeout: number;
}

/** Adds the hidden commands that the pods of `env-check --nodes` run. They need no API server. */
export function addPodCommands(program: Command): void {
  program
    .command("env-check-answer", { hidden: true })
    .description("answers on the ports that nodes need of each other, until it is ended")
    .option("--centrals <n>", "replicas of ovn-central", Number, 1)
    .option("--tls", "whether OVN's databases speak TLS", false)
    .action((choice: CentralChoice) =>
      untilInterrupted(async (signal) => await (await listen(portsBetweenNodes(choice), signal))()),
    );
  program
    .command("env-check-node", { hidden: true })
    .description("checks the node on which it runs, and probes others' ports")
    .argument("[addresses...]", "of nodes on which env-check-answer runs")
    .requiredOption("--root <folder>", "where the node's root directory is mounted")
    .requiredOption("--message <file>", "where the result is written")
    .requiredOption("--conf-dir <folder>", "the node's folder of network configurations")
    .option("--tunnel-interface <names>", "as the chart's tunnelInterface", "")
    .option("--centrals <n>", "replicas of ovn-central", Number, 1)
    .option("--tls", "whether OVN's databases speak TLS", false)
    .option("--timeout <ms>", "deadline for an address to answer", Number, 10_000)
    .action(async (addresses: readonly string[], options: LookOptions) => {
      const [view, silent] = await Promise.all([
        viewNode(options),
        unreachable(addresses, portsBetweenNodes(options), options.timeout),
      ]);
      const more = silent.length > MAX_UNREACHABLE ? [`${silent.length - MAX_UNREACHABLE} more`] : [];
      const result = { ...view, unreachable: [...silent.slice(0, MAX_UNREACHABLE), ...more] };
      await writeFile(options.message, JSON.stringify(result));
    });
}
