// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import { Argument, type Command } from "commander";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import type { KubeConnection } from "../../kube/connect.ts";
import type { Kube } from "../../kube/kube.ts";
import { numberOption } from "../../telemetry/number-option.ts";
import { parsePod } from "../endpoint-arguments.ts";
import type { ExplainReport } from "../explain.ts";
import { printable } from "../table.ts";
import { attach } from "./attach.ts";
import { duration, PARTS, printLogs } from "./log.ts";
import { podCommands, READ_MS } from "./pod-commands.ts";
import {
  type CentralTool,
  captureTarget,
  centralTarget,
  type NodeTool,
  nodeTarget,
  type ToolTarget,
} from "./targets.ts";
import { topCommand } from "./top.ts";

interface ToolOptions {
  readonly namespace: string;
}

/** Runs an action with a connection, and ends it. */
export type Connected = <T>(options: object, action: (connection: KubeConnection) => Promise<T>) => Promise<T>;

/** Runs an action with a connection, and prints its answer. */
export type Report = (options: object, action: (connection: KubeConnection) => Promise<ExplainReport>) => Promise<void>;

/** For `--help`: what a command in a pod takes. */
export const EXEC_RIGHTS = "the verb get (from Kubernetes 1.35 on also create) on pods/exec in Weft's namespace";

const NOTES = `
Options of the program itself come after "--". It runs in a pod of Weft, through the API server: the account needs to list pods, and ${EXEC_RIGHTS}.
It has this terminal if input and output are one; otherwise it gets standard input only with the argument "-". Ctrl-C ends it.

Exit codes: those of the program; 2 if it could not be run; 128 + N if signal N ended weftctl before the program.`;

interface TopOptions extends ToolOptions {
  readonly interval: number;
  readonly most: number;
}

interface LogOptions extends ToolOptions {
  readonly follow?: boolean;
  readonly since?: number;
}

/** Adds `top` and `log`. `report` runs an action with a connection and prints its answer. */
export function addWatchCommands(program: Command, connected: Connected, report: Report): void {
  program
    .command("top")
    .description("list the pods with the most traffic, by the counters of every node's Open vSwitch")
    .option(
      "--interval <seconds>",
      "seconds between the two readings; Open vSwitch updates its counters every 5 s",
      numberOption(1, 3_600),
      5,
    )
    .option("--most <n>", "how many pods are listed", numberOption(1, 3_600), 20)
    .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .addHelpText(
      "after",
      `\nExamples:\n  weftctl top\n  weftctl top --interval 30 --most 5 -o json\n\nThe account needs to list pods, and ${EXEC_RIGHTS}.\n\nExit codes: 0 every node was read, 1 a node is left out, 2 the command failed.`,
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<TopOptions>();
      const { namespace, interval: seconds, most } = options;
      return report(options, (connection) =>
        topCommand(
          connection.kube,
          namespace,
          { seconds, most },
          {
            capture: (target) => podCommands(connection, namespace).capture(target, READ_MS),
            wait: (ms) => delay(ms),
            now: () => performance.now(),
          },
        ),
      );
    });
  program
    .command("log")
    .description("print the log of a component of Weft: of all its pods, or of the one on a node")
    .addArgument(new Argument("<part>", "which part").choices(Object.keys(PARTS)))
    .argument("[node]", "only the pod on this node")
    .option("-f, --follow", "follow the log")
    .option("--since <duration>", "only the last 90s, 5m, 1h30m …", duration)
    .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .addHelpText(
      "after",
      "\nExamples:\n  weftctl log controller --since 10m\n  weftctl log daemon worker-1 -f\n\nThe account needs to list pods, and the verb get on pods/log in Weft's namespace.\n\nExit codes: 0 printed, 1 the log of a pod could not be read, 2 the command failed.",
    )
    .action(async (part: keyof typeof PARTS, node: string | undefined, _, command: Command) => {
      const options = command.optsWithGlobals<LogOptions>();
      const { namespace, follow = false, since } = options;
      const question = {
        follow,
        ...(node !== undefined && { node }),
        ...(since !== undefined && { sinceSeconds: since }),
      };
      const warnings = await connected(options, (connection) =>
        printLogs(connection, namespace, part, question, process.stdout, (text) =>
          console.error(printable(`Warning: ${text}`)),
        ),
      );
      if (warnings.length > 0) process.exitCode = 1;
    });
}

/** Adds `nbctl`, `sbctl`, `vsctl`, `ofctl`, `dpctl`, `appctl` and `tcpdump`. */
export function addToolCommands(program: Command, connected: Connected): void {
  const run = async (command: Command, find: (kube: Kube, namespace: string) => Promise<ToolTarget>): Promise<void> => {
    const options = command.optsWithGlobals<ToolOptions>();
    const { namespace } = options;
    process.exitCode = await connected(options, async (connection) =>
      attach(connection, namespace, await find(connection.kube, namespace)),
    );
  };
  const add = (name: string, description: string, example: string): Command =>
    program
      .command(name)
      .description(description)
      .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
      .allowUnknownOption()
      .addHelpText("after", `\nExamples:\n  ${example}\n${NOTES}`);
  for (const [tool, database] of [
    ["nbctl", "northbound"],
    ["sbctl", "southbound"],
  ] as const satisfies readonly (readonly [CentralTool, string])[])
    add(
      tool,
      `run ovn-${tool} where OVN's ${database} database leads`,
      `weftctl ${tool} show\n  weftctl ${tool} -- --columns=name list ${tool === "nbctl" ? "Logical_Switch" : "Chassis"}`,
    )
      .argument("[args...]", `arguments of ovn-${tool}`)
      .action((args: readonly string[], _, command: Command) =>
        run(command, (kube, namespace) => centralTarget(kube, namespace, tool, args)),
      );
  for (const [tool, example] of [
    ["vsctl", "show"],
    ["ofctl", "dump-flows br-int"],
    ["dpctl", "show"],
    ["appctl", "coverage/show"],
  ] as const satisfies readonly (readonly [NodeTool, string])[])
    add(tool, `run ovs-${tool} on a node`, `weftctl ${tool} worker-1 ${example}`)
      .argument("<node>", "name of the node")
      .argument("[args...]", `arguments of ovs-${tool}`)
      .action((node: string, args: readonly string[], _, command: Command) =>
        run(command, (kube, namespace) => nodeTarget(kube, namespace, tool, node, args)),
      );
  add(
    "tcpdump",
    "capture what a pod sends and receives, at its node's end",
    "weftctl tcpdump shop/cart -- -c 10 tcp port 80",
  )
    .argument("<pod>", "POD of namespace default, or NAMESPACE/POD")
    .argument("[args...]", "arguments of tcpdump")
    .action((pod: string, args: readonly string[], _, command: Command) => {
      const which = parsePod(pod, "default");
      return run(command, (kube, own) => captureTarget(kube, own, which, args));
    });
}
