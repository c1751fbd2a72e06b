import { Command } from "commander";
import { connectKube } from "../kube/connect.ts";
import type { Kube } from "../kube/kube.ts";
import { formatSteps, podSteps } from "./pod.ts";
import { formatStatus, readStatus } from "./status.ts";

interface Options {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly output: "table" | "json";
  readonly namespace: string;
}

const program = new Command("weftctl")
  .description("Looks inside a cluster's Weft network. Also runs as `kubectl weft` when linked as kubectl-weft.")
  .option("--kubeconfig <file>", "kubeconfig to use (default: $KUBECONFIG, ~/.kube/config, or the pod's own account)")
  .option("--context <name>", "context of the kubeconfig")
  .option("-o, --output <form>", "table or json", "table");

/** Runs an action with a connection, prints what it returns, and ends the connection. */
async function withKube(
  options: Options,
  action: (kube: Kube) => Promise<{ data: unknown; text: string; ok: boolean }>,
): Promise<void> {
  const { kubeconfig, context } = options;
  const connection = await connectKube({
    userAgent: "weftctl",
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
  });
  try {
    const { data, text, ok } = await action(connection.kube);
    process.stdout.write(options.output === "json" ? `${JSON.stringify(data, null, 2)}\n` : text);
    if (!ok) process.exitCode = 1;
  } finally {
    connection.close();
  }
}

program
  .command("status")
  .description("the network at a glance: who leads, nodes, VPCs, subnets with what is used and free")
  .option("-n, --namespace <namespace>", "where Weft is installed", "kube-system")
  .action((_, command: Command) => {
    const options = command.optsWithGlobals<Options>();
    return withKube(options, async (kube) => {
      const data = await readStatus(kube, options.namespace);
      const ok = data.leader !== undefined && [...data.subnets, ...data.vpcs].every(({ ready }) => ready === "yes");
      return { data, text: formatStatus(data), ok };
    });
  });

program
  .command("pod")
  .description("a pod's way to its network, step by step; exit code 1 where a step is missing")
  .argument("<name>", "the pod, or NAMESPACE/POD")
  .option("-n, --namespace <namespace>", "the pod's namespace", "default")
  .action((name: string, _, command: Command) => {
    const options = command.optsWithGlobals<Options>();
    const [namespace, pod] = name.includes("/") ? (name.split("/", 2) as [string, string]) : [options.namespace, name];
    return withKube(options, async (kube) => {
      const data = await podSteps(kube, namespace, pod);
      return { data, text: formatSteps(data), ok: data.every(({ ok }) => ok) };
    });
  });

program.parseAsync().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
