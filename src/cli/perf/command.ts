// SPDX-License-Identifier: Apache-2.0

import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { Kube } from "../../kube/kube.ts";
import { listEach } from "../../kube/pages.ts";
import { NODES } from "../../kube/resources.ts";
import type { Node } from "../../kube/types.ts";
import { numberOption } from "../../telemetry/number-option.ts";
import type { ExplainReport } from "../explain.ts";
import { readDeployed } from "../install/deployed.ts";
import { untilInterrupted } from "../install/terminal.ts";
import { ToolError } from "../tools/targets.ts";
import { measureServer } from "./measure-client.ts";
import { serveMeasurements } from "./measure-server.ts";
import { chosenNodes, PATHS, type PathName, pathsBetween } from "./paths.ts";
import { formatPerf } from "./report.ts";
import { runPerf } from "./run.ts";

interface Options {
  readonly namespace: string;
  readonly in?: string;
  readonly server?: string;
  readonly client?: string;
  readonly path?: readonly PathName[];
  readonly seconds: number;
  readonly streams: number;
  readonly size: number;
  readonly rate: number;
  readonly port: number;
  readonly family?: "ipv4" | "ipv6";
  readonly image?: string;
  readonly timeout: number;
}

/** Where a pod's program leaves its result for kubelet. */
const MESSAGE = "/dev/termination-log";

/** Adds `perf`, and the hidden commands that its pods run. `report` runs an action with a connection and prints its answer. */
export function addPerfCommand(
  program: Command,
  report: (options: object, action: (kube: Kube) => Promise<ExplainReport>) => Promise<void>,
): void {
  program
    .command("perf")
    .description(
      "measure throughput, latency and loss between pods on one node and on two, to a Service, and between nodes",
    )
    .option("-n, --namespace <namespace>", "namespace of Weft", "kube-system")
    .option("--in <namespace>", "namespace of the pods that measure, whose subnet and policies apply (default: Weft's)")
    .option("--server <node>", "node of the server (default: the first that is Ready)")
    .option("--client <node>", "node of the clients (default: another one)")
    .addOption(new Option("--path <path...>", "only these paths").choices(PATHS))
    .option("--seconds <seconds>", "of each of the four measurements of a path", numberOption(1, 600), 3)
    .option("--streams <n>", "TCP connections of the throughput measurement", numberOption(1, 32), 4)
    .option("--size <bytes>", "size of messages and datagrams", numberOption(5, 65_507), 1_024)
    .option("--rate <Mbit/s>", "rate of the datagrams whose loss is measured", numberOption(1, 100_000), 100)
    .option(
      "--port <port>",
      "TCP and UDP port of the servers, also on the node's network",
      numberOption(1_024, 65_535),
      15_201,
    )
    .addOption(new Option("--family <family>", "address family (default: the pods' first)").choices(["ipv4", "ipv6"]))
    .option("--image <image>", "image with weftctl (default: that of Weft's DaemonSet)")
    .option("--timeout <seconds>", "deadline for the start of a pod", numberOption(1, 3_600), 120)
    .addHelpText(
      "after",
      `
Examples:
  weftctl perf
  weftctl perf --server worker-1 --client worker-2 --seconds 10
  weftctl perf --path pod-other-node service --family ipv6 -o json
  weftctl perf --in shop --rate 1000 --size 1400

It starts pods of Weft's image, one after another, and removes them and a Service at the end, also after Ctrl-C; if weftctl is killed, the pods end by
themselves. The account needs to list nodes, and to create, patch, list, watch and delete pods and Services in the namespace of the pods. One process of Node.js sends
and one receives: a network of more than some Gbit/s is faster than they are.

Exit codes: 0 every path was measured, 1 a path was not, 2 the command failed.`,
    )
    .action((_, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      return untilInterrupted((signal) => report(options, (kube) => perf(kube, options, signal)));
    });

  program
    .command("perf-server", { hidden: true })
    .description("answers perf-client until it is ended")
    .requiredOption("--port <port>", "TCP and UDP port", Number)
    .action(({ port }: { readonly port: number }) =>
      untilInterrupted(async (signal) => {
        const server = await serveMeasurements(port);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        server.close();
      }),
    );
  program
    .command("perf-client", { hidden: true })
    .description("measures the path to perf-server")
    .argument("<address>", "of the server")
    .requiredOption("--port <port>", "its port", Number)
    .requiredOption("--seconds <seconds>", "of each measurement", Number)
    .requiredOption("--streams <n>", "TCP connections", Number)
    .requiredOption("--size <bytes>", "of messages", Number)
    .requiredOption("--rate <Mbit/s>", "of datagrams", Number)
    .option("--message <file>", "where the result is written", MESSAGE)
    .action(async (address: string, options: ClientOptions) => {
      const { port, seconds, streams, size, rate, message } = options;
      const result: object = await measureServer({
        address,
        port,
        ms: seconds * 1_000,
        streams,
        size,
        rate: rate * 1e6,
      }).catch((error: unknown) => ({ problem: error instanceof Error ? error.message : String(error) }));
      await writeFile(message, JSON.stringify(result));
    });
}

interface ClientOptions {
  readonly port: number;
  readonly seconds: number;
  readonly streams: number;
  readonly size: number;
  readonly rate: number;
  readonly message: string;
}

/** Answers `perf`; progress is written to standard error. Rejects with ToolError, or as the API does. */
export async function perf(
  kube: Kube,
  options: Options,
  signal: AbortSignal,
  say: (line: string) => void = (line) => console.error(line),
): Promise<ExplainReport> {
  const [deployed, nodes] = await Promise.all([
    readDeployed(kube, options.namespace),
    Array.fromAsync(listEach<Node>(kube, NODES)),
  ]);
  const image = options.image ?? deployed?.image;
  if (image === undefined)
    throw new ToolError(
      `Weft is not installed in ${options.namespace}: pass its namespace with -n, or an image with --image`,
    );
  const chosen = chosenNodes(nodes, options);
  const wanted = options.path ?? PATHS;
  const paths = pathsBetween(chosen, wanted);
  const left = wanted.filter((name) => !paths.some((path) => path.name === name));
  const warnings = left.length === 0 ? [] : [`only one node can be used: ${left.join(", ")} left out`];
  const data = await runPerf(
    ...([kube, { pullPolicy: "IfNotPresent", pullSecrets: [], ...deployed, image }, chosen, paths] as const),
    {
      ...{ namespace: options.in ?? options.namespace, timeoutMs: options.timeout * 1_000 },
      ...{
        seconds: options.seconds,
        streams: options.streams,
        size: options.size,
        rate: options.rate,
        port: options.port,
      },
      family: options.family === undefined ? undefined : options.family === "ipv4" ? 4 : 6,
    },
    ...([say, signal] as const),
  );
  return { data, text: formatPerf(data), ok: data.every(({ measured }) => measured !== undefined), warnings };
}
