// SPDX-License-Identifier: Apache-2.0

import { basename } from "node:path";
import { Argument, Command, CommanderError, Option } from "commander";
import { connectKube, type KubeConnection } from "../kube/connect.ts";
import type { Kube } from "../kube/kube.ts";
import { addCentralCommands } from "./central/commands.ts";
import { addRestoreCommand } from "./central/restore.ts";
import { endWithOutput } from "./closed-output.ts";
import { completionScript, SHELLS } from "./completion.ts";
import { addDiagnoseCommand } from "./diagnose/verb.ts";
import { parsePod } from "./endpoint-arguments.ts";
import { addPodCommands } from "./env-check/in-pod.ts";
import { type ExplainReport, explainCommand } from "./explain.ts";
import { failureText } from "./failure-text.ts";
import { addFlowsCommand } from "./flows/command.ts";
import { addInstallCommands } from "./install/commands.ts";
import { embedded } from "./install/embedded.ts";
import { InstallError } from "./install/error.ts";
import { type MatrixOptions, matrixCommand } from "./matrix.ts";
import { addPerfCommand } from "./perf/command.ts";
import { type PlanOptions, planCommand } from "./plan.ts";
import { formatSteps, podSteps } from "./pod.ts";
import { addReplayCommand } from "./replay/command.ts";
import { addStatusCommand } from "./status-verb.ts";
import { printable } from "./table.ts";
import { addToolCommands, addWatchCommands, type Report } from "./tools/commands.ts";
import { argumentsFor } from "./tools/kube-ovn-verbs.ts";
import { addTraceCommand } from "./trace/verb.ts";
import { addUiCommand } from "./ui/command.ts";

interface Options {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly output: "table" | "json" | "yaml";
  readonly namespace: string;
}

const EXIT_CODES = `
Exit codes: 0 healthy (allowed), 1 a problem was found (denied), 2 the command failed.`;

const program = new Command("weftctl")
  .description(
    "Installs and inspects a cluster's Weft network. Also runs as `kubectl weft` and, with Kube-OVN's verbs, as `kubectl ko`, when linked as kubectl-weft or kubectl-ko.",
  )
  .option(
    "--kubeconfig <file>",
    "path to the kubeconfig (default: $KUBECONFIG, the service account in a pod, or ~/.kube/config)",
  )
  .option("--context <name>", "context of the kubeconfig")
  .addOption(
    new Option("-o, --output <form>", "how the answer is printed").choices(["table", "json", "yaml"]).default("table"),
  )
  .version(embedded().version, "-V, --version", "print the version (see also: weftctl version)")
  .addHelpText(
    "after",
    `
Examples:
  weftctl status
  weftctl diagnose
  weftctl trace shop/cart svc/shop/db tcp 5432
  weftctl plan -f policy.yaml
${EXIT_CODES}`,
  )
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError("(weftctl --help lists the commands, weftctl help COMMAND shows one with examples)")
  .exitOverride();

/** Runs an action with a connection, prints its result, and ends the connection. */
function withKube(options: Options, action: (kube: Kube) => Promise<ExplainReport>): Promise<void> {
  return withConnection(options, ({ kube }) => action(kube));
}

async function withConnection(
  options: Options,
  action: (connection: KubeConnection) => Promise<ExplainReport>,
): Promise<void> {
  await connected(options, async (connection) => {
    const { data, text, ok, warnings = [] } = await action(connection);
    for (const warning of warnings) console.error(printable(`Warning: ${warning}`));
    if (data !== undefined) process.stdout.write(await rendered(options.output, data, text));
    if (!ok) process.exitCode = 1;
  });
}

const report: Report = (options, action) => withConnection(options as Options, action);

/** Runs an action with a connection, and ends the connection. */
async function connected<T>(options: object, action: (connection: KubeConnection) => Promise<T>): Promise<T> {
  const { kubeconfig, context } = options as Options;
  const connection = await connectKube({
    userAgent: "weftctl",
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
  });
  try {
    return await action(connection);
  } finally {
    connection.close();
  }
}

async function rendered(output: Options["output"], data: unknown, text: string): Promise<string> {
  if (output === "table") return printable(text);
  // Through JSON: undefined fields are left out.
  const json = JSON.stringify(data, null, 2);
  return output === "json" ? `${json}\n` : (await import("yaml")).stringify(JSON.parse(json));
}

addStatusCommand(program, report);

program
  .command("pod")
  .description("show each step of a pod's way to its network; exit code 1 if a step is missing")
  .argument("<name>", "the pod, or NAMESPACE/POD")
  .option("-n, --namespace <namespace>", "the pod's namespace", "default")
  .addHelpText("after", "\nExamples:\n  weftctl pod shop/cart\n  weftctl pod -n shop cart -o yaml")
  .action((name: string, _, command: Command) => {
    const options = command.optsWithGlobals<Options>();
    const pod = parsePod(name, options.namespace);
    return withKube(options, async (kube) => {
      const data = await podSteps(kube, pod.namespace, pod.name);
      return { data, text: formatSteps(data), ok: data.every(({ ok }) => ok) };
    });
  });

addTraceCommand(program, report);

addDiagnoseCommand(program, report);

const policy = program
  .command("policy")
  .description("show what policies do, computed from the objects as the controller does; sends and writes nothing");

policy
  .command("explain")
  .description("show whether FROM reaches TO, and which policy, rule and ACL decides at each end")
  .argument("<from>", "NAMESPACE/POD, POD, svc/NAMESPACE/NAME, node/NAME or an IP address")
  .argument("<to>", "the same; a Service, by name or address, stands for each of its backends")
  .argument("<port>", "tcp/80, udp/53, sctp/9, 80 (TCP), icmp, or the name of a port of the pod or Service")
  .option("-n, --namespace <namespace>", "namespace of names without one", "default")
  .addHelpText(
    "after",
    `
Examples:
  weftctl policy explain shop/cart shop/db tcp/5432
  weftctl policy explain -n shop cart svc/db postgres
  weftctl policy explain 203.0.113.9 shop/web http
  weftctl policy explain shop/web 198.51.100.1 udp/53
  weftctl policy explain node/worker-1 shop/web icmp -o json
${EXIT_CODES}
A Service is allowed if all of its backends are, and a dual-stack pod if both IP families are.`,
  )
  .action((from: string, to: string, port: string, _, command: Command) => {
    const options = command.optsWithGlobals<Options>();
    return withKube(options, (kube) => explainCommand(kube, options.namespace, [from, to, port]));
  });

policy
  .command("matrix")
  .description("list which pods of a namespace may reach each other; pods that no policy distinguishes share a row")
  .option("-n, --namespace <namespace>", "namespace of the sending pods, * for all", "default")
  .option("--to <namespace>", "namespace of the receiving pods, * for all (default: the same)")
  .option("--port <port>", "only this port: tcp/80, udp/53, 80 (TCP), icmp (default: all open ports of each pair)")
  .option(
    "--html <file>",
    "also write an HTML page that shows the reason for each cell; - prints it to standard output",
  )
  .addHelpText(
    "after",
    `
Examples:
  weftctl policy matrix -n shop
  weftctl policy matrix -n shop --to data --port tcp/5432
  weftctl policy matrix -n '*' --html reach.html
  weftctl policy matrix -n shop -o json`,
  )
  .action((_, command: Command) => {
    const options = command.optsWithGlobals<Options & MatrixOptions>();
    return withKube(options, (kube) => matrixCommand(kube, options));
  });

program
  .command("plan")
  .description(
    "show which connections applying (or deleting) objects would open or close, and which northbound rows would change; writes nothing",
  )
  .requiredOption(
    "-f, --file <file...>",
    "manifests, - for standard input: policies, Subnets, Vpcs, Namespaces, Pods …",
  )
  .option("-n, --namespace <namespace>", "namespace of objects that name none", "default")
  .option("--delete", "show what deleting the objects would change")
  .option("--all-rows", "print all rows, however many")
  .option("--exit-code", "exit with 1 if any connection would be opened or closed")
  .addHelpText(
    "after",
    `
Examples:
  weftctl plan -f policy.yaml
  weftctl plan -f policy.yaml --delete
  kubectl kustomize overlays/production | weftctl plan -f - --exit-code

The API server validates the objects by dry runs if the account may create them; nothing is stored.`,
  )
  .action((_, command: Command) => {
    const options = command.optsWithGlobals<Options & PlanOptions>();
    return withKube(options, (kube) => planCommand(kube, options));
  });

addReplayCommand(program, async (options, action) => {
  const { output } = options as Options;
  const { data, text, ok, warnings = [] } = await action();
  for (const warning of warnings) console.error(printable(`Warning: ${warning}`));
  process.stdout.write(await rendered(output, data, text));
  if (!ok) process.exitCode = 1;
});
addInstallCommands(program, withConnection);
addToolCommands(program, connected);
addWatchCommands(program, connected, report);
addPerfCommand(program, (options, action) => withKube(options as Options, action));
addFlowsCommand(program, report);
addCentralCommands(program, withConnection);
addUiCommand(program, connected);
addPodCommands(program);
addRestoreCommand(program);

program
  .command("completion")
  .description("print a script that completes weftctl's commands and options")
  .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
  .addHelpText(
    "after",
    "\nExamples:\n  source <(weftctl completion bash)\n  weftctl completion zsh > ~/.zsh/weftctl.zsh\n  weftctl completion fish > ~/.config/fish/completions/weftctl.fish",
  )
  .action((shell: (typeof SHELLS)[number]) => {
    process.stdout.write(completionScript(program, shell));
  });

/** Codes of a negative answer, as opposed to a failure. */
const REFUSALS: readonly string[] = ["refused", "not-ready", "incomplete"];

endWithOutput();
Promise.resolve()
  .then(() => program.parseAsync(argumentsFor(basename(process.argv0), process.argv.slice(2)), { from: "user" }))
  .catch((error: unknown) => {
    // Commander has printed its own message; a request for help is not an error.
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    console.error(failureText(error));
    process.exitCode = error instanceof InstallError && REFUSALS.includes(error.code) ? 1 : 2;
  });
