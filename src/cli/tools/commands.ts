// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import { Argument, type Command, InvalidArgumentError } from "commander";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import type { Kube } from "../../kube/kube.ts";
import { parsePod } from "../endpoint-arguments.ts";
import type { ExplainReport } from "../explain.ts";
import {
  canI,
  captureKubectl,
  execArguments,
  type KubectlOptions,
  logArguments,
  PARTS,
  runKubectl,
} from "./kubectl.ts";
import { type HasRight, type Right, rightText } from "./rights.ts";
import {
  type CentralTool,
  captureTarget,
  centralTarget,
  type NodeTool,
  nodeTarget,
  podOn,
  ToolError,
  type ToolTarget,
} from "./targets.ts";
import { topCommand } from "./top.ts";

interface ToolOptions extends KubectlOptions {
  readonly namespace: string;
}

/** Runs an action with a connection, and ends it. */
export type WithKube = <T>(options: ToolOptions, action: (kube: Kube) => Promise<T>) => Promise<T>;

const NOTES = `
Options of the program itself come after "--". It runs in a pod of Weft, through the API server and kubectl: the account needs to list pods, and the verb
create on pods/exec in Weft's namespace.

Exit codes: those of the program; 2 if it could not be run.`;

/** The result of `find`, after checking that this account may run a command in a pod, or read its log. */
export async function permitted<T>(
  hasRight: HasRight,
  namespace: string,
  find: () => Promise<T>,
  subresource: Right["subresource"] = "exec",
): Promise<T> {
  const right: Right = { verb: subresource === "exec" ? "create" : "get", resource: "pods", subresource, namespace };
  if (!(await hasRight(right))) throw new ToolError(`this account lacks the ${rightText(right)}`);
  return await find();
}

interface TopOptions extends ToolOptions {
  readonly interval: number;
  readonly most: number;
}

interface LogOptions extends ToolOptions {
  readonly follow?: boolean;
  readonly since?: string;
}

/** Adds `top` and `log`. `report` runs an action with a connection and prints its answer. */
export function addWatchCommands(
  program: Command,
  withKube: WithKube,
  report: (options: object, action: (kube: Kube) => Promise<ExplainReport>) => Promise<void>,
): void {
  program
    .command("top")
    .description("list the pods with the most traffic, by the counters of every node's Open vSwitch")
    .option(
      "--interval <seconds>",
      "seconds between the two readings; Open vSwitch updates its counters every 5 s",
      wholeNumber,
      5,
    )
    .option("--most <n>", "how many pods are listed", wholeNumber, 20)
    .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .addHelpText(
      "after",
      "\nExamples:\n  weftctl top\n  weftctl top --interval 30 --most 5 -o json\n\nThe account needs to list pods, and the verb create on pods/exec in Weft's namespace.\n\nExit codes: 0 every node was read, 1 a node is left out, 2 the command failed.",
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<TopOptions>();
      const { namespace, interval: seconds, most } = options;
      return report(options, (kube) =>
        permitted(canI(options), namespace, () =>
          topCommand(
            kube,
            namespace,
            { seconds, most },
            {
              capture: (target) => captureKubectl(execArguments(options, namespace, target, false)),
              wait: (ms) => delay(ms),
              now: () => performance.now(),
            },
          ),
        ),
      );
    });
  program
    .command("log")
    .description("print the log of a component of Weft: of all its pods, or of the one on a node")
    .addArgument(new Argument("<part>", "which part").choices(Object.keys(PARTS)))
    .argument("[node]", "only the pod on this node")
    .option("-f, --follow", "follow the log")
    .option("--since <duration>", "only the last 5m, 2h …")
    .option("-n, --namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .addHelpText(
      "after",
      "\nExamples:\n  weftctl log controller --since 10m\n  weftctl log daemon worker-1 -f\n\nThe account needs to list pods, and the verb get on pods/log in Weft's namespace. It runs kubectl.\n\nExit codes: those of kubectl; 2 if it could not be run.",
    )
    .action(async (part: keyof typeof PARTS, node: string | undefined, _, command: Command) => {
      const options = command.optsWithGlobals<LogOptions>();
      const { namespace, follow, since } = options;
      const pod = await withKube(options, (kube) =>
        permitted(canI(options), namespace, () => podOn(kube, namespace, PARTS[part][0], node), "log"),
      );
      const which = {
        ...(pod !== undefined && { pod }),
        ...(follow && { follow }),
        ...(since !== undefined && { since }),
      };
      process.exitCode = await runKubectl(logArguments(options, namespace, part, which));
    });
}

/** A whole number from 1 to 3600. Throws commander's `InvalidArgumentError`. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 3600) return value;
  throw new InvalidArgumentError("must be 1 to 3600");
}

/** Adds `nbctl`, `sbctl`, `vsctl`, `ofctl`, `dpctl`, `appctl` and `tcpdump`. */
export function addToolCommands(program: Command, withKube: WithKube): void {
  const run = async (command: Command, find: (kube: Kube, namespace: string) => Promise<ToolTarget>): Promise<void> => {
    const options = command.optsWithGlobals<ToolOptions>();
    const { namespace } = options;
    const target = await withKube(options, (kube) => permitted(canI(options), namespace, () => find(kube, namespace)));
    const terminal = process.stdin.isTTY && process.stdout.isTTY;
    const held = target.endsWithInput === true && !terminal;
    process.exitCode = await runKubectl(execArguments(options, namespace, target, terminal), held);
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
