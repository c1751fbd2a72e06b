// SPDX-License-Identifier: Apache-2.0

import type { Command } from "commander";
import type { Kube } from "../../kube/kube.ts";
import { execArguments, type KubectlOptions, runKubectl } from "./kubectl.ts";
import { hasRight, type Right, rightText } from "./rights.ts";
import {
  type CentralTool,
  captureTarget,
  centralTarget,
  type NodeTool,
  nodeTarget,
  ToolError,
  type ToolTarget,
} from "./targets.ts";

interface ToolOptions extends KubectlOptions {
  readonly namespace: string;
}

/** Runs an action with a connection, and ends it. */
export type WithKube = (options: ToolOptions, action: (kube: Kube) => Promise<ToolTarget>) => Promise<ToolTarget>;

const NOTES = `
Options of the program itself come after "--". It runs in a pod of Weft, through the API server and kubectl: the account needs to list pods, and the verb
create on pods/exec in Weft's namespace.

Exit codes: those of the program; 2 if it could not be run.`;

/** Finds where a tool is to run, after it is known that this account may run it. */
export async function permitted(kube: Kube, namespace: string, find: () => Promise<ToolTarget>): Promise<ToolTarget> {
  const right: Right = { verb: "create", resource: "pods", subresource: "exec", namespace };
  if (!(await hasRight(kube, right))) throw new ToolError(`this account lacks the ${rightText(right)}`);
  return await find();
}

/** Adds `nbctl`, `sbctl`, `vsctl`, `ofctl`, `dpctl`, `appctl` and `tcpdump`. */
export function addToolCommands(program: Command, withKube: WithKube): void {
  const run = async (command: Command, find: (kube: Kube, namespace: string) => Promise<ToolTarget>): Promise<void> => {
    const options = command.optsWithGlobals<ToolOptions>();
    const { namespace } = options;
    const target = await withKube(options, (kube) => permitted(kube, namespace, () => find(kube, namespace)));
    const terminal = process.stdin.isTTY && process.stdout.isTTY;
    process.exitCode = await runKubectl(execArguments(options, namespace, target, terminal));
  };
  const add = (name: string, description: string, example: string): Command =>
    program
      .command(name)
      .description(description)
      .option("-n, --namespace <namespace>", "namespace of Weft", "kube-system")
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
      const [namespace, name] = pod.includes("/") ? (pod.split("/", 2) as [string, string]) : ["default", pod];
      return run(command, (kube, own) => captureTarget(kube, own, { namespace, name }, args));
    });
}
