// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { readFlowPage } from "../../api/flow-page.ts";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import type { SampledFlow } from "../../api/sampling.ts";
import type { KubeConnection } from "../../kube/connect.ts";
import type { Kube } from "../../kube/kube.ts";
import { FlowNames, isOfNamespace, type NamedFlow } from "../../reachability/flows.ts";
import { numberOption } from "../../telemetry/number-option.ts";
import { formatTime } from "../../time/rfc3339.ts";
import { buildClusterModel, readObjects } from "../cluster-model.ts";
import type { ExplainReport } from "../explain.ts";
import { formatTable } from "../table.ts";
import { EXEC_RIGHTS, type Report } from "../tools/commands.ts";
import { podCommands, READ_MS } from "../tools/pod-commands.ts";
import { everyDaemon, readEach, ToolError, type ToolTarget } from "../tools/targets.ts";

/** What `flows` is asked. */
export interface FlowsQuestion {
  /** Only flows with an end there; all where it is absent. */
  readonly namespace?: string;
  readonly dropped?: boolean;
  readonly most: number;
}

/** The answer of {@link flowsCommand}. */
export interface FlowsReport extends ExplainReport {
  readonly data: { readonly flows: readonly NamedFlow[] };
}

interface FlowsOptions extends FlowsQuestion {
  readonly weftNamespace: string;
  readonly follow?: boolean;
  readonly output: string;
}

/** Pause between two questions to every node while following, in ms. */
const FOLLOW_MS = 2_000;
/** For so long, in ms, names are not read again: that lists all objects that Weft reads. */
const NAMES_MS = 10_000;

/** Names for flows, as of {@link NAMES_MS} ago at most. */
export class RecentNames {
  readonly #read: (kube: Kube) => Promise<FlowNames>;
  readonly #now: () => number;
  #known: { readonly names: FlowNames; readonly at: number } | undefined;

  constructor(read = namesFrom, now: () => number = Date.now) {
    this.#read = read;
    this.#now = now;
  }

  /** Rejects with a `KubeError`. */
  async of(kube: Kube): Promise<FlowNames> {
    const at = this.#now();
    if (this.#known === undefined || at - this.#known.at > NAMES_MS)
      this.#known = { names: await this.#read(kube), at };
    return this.#known.names;
  }
}

async function namesFrom(kube: Kube): Promise<FlowNames> {
  const { facts, fragments } = buildClusterModel(await readObjects(kube));
  return new FlowNames(facts, fragments.values());
}

/** Adds `flows`. `report` runs an action with a connection and prints its answer. */
export function addFlowsCommand(program: Command, report: Report): void {
  program
    .command("flows")
    .description("list who talked to whom in the last hour, and which rule of which policy allowed or dropped it")
    .option("-n, --namespace <namespace>", "only flows from or to pods of this namespace")
    .option("-f, --follow", "go on with flows that are sampled from now on")
    .option("--dropped", "only what was dropped")
    .option("--most <n>", "how many are listed, the latest", numberOption(1, 3_600), 200)
    .option("--weft-namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .addHelpText(
      "after",
      `
Examples:
  weftctl flows -n shop
  weftctl flows -n shop --dropped --follow
  weftctl flows -o json

Connections that a NetworkPolicy, an AdminNetworkPolicy or a SecurityGroup decides are sampled where the chart's value flows.enabled is true; others are not. A rule
is named as it is now. The account needs to list what Weft reads, and ${EXEC_RIGHTS}.

Exit codes: 0 every node was read, 1 a node is left out, 2 the command failed, for example because nothing is sampled.`,
    )
    .action(async (_, command: Command) => {
      const options = command.optsWithGlobals<FlowsOptions>();
      const { weftNamespace, follow = false } = options;
      const [seen, names] = [new Map<string, number>(), new RecentNames()];
      const ask = (connection: KubeConnection): Promise<FlowsReport> => {
        const commands = podCommands(connection, weftNamespace);
        const capture = (target: ToolTarget): Promise<string> => commands.capture(target, READ_MS);
        return flowsCommand(connection.kube, weftNamespace, options, seen, capture, names);
      };
      await report(options, ask);
      while (follow) {
        // Open vSwitch exports once a second at most.
        await delay(FOLLOW_MS);
        await report(options, async (connection) => {
          const { text, data, ...rest } = await ask(connection);
          if (data.flows.length === 0) return { ...rest, data: undefined, text: "" };
          return { ...rest, data, text: text.split("\n").slice(1).join("\n") };
        });
      }
    });
}

/**
 * Answers `flows`: those that have changed since `seen`, in which it notes how far each node has been read. A node that cannot be read is a warning. Rejects with a `ToolError` where nothing is
 * sampled, or a `KubeError`.
 */
export async function flowsCommand(
  kube: Kube,
  weftNamespace: string,
  { namespace, dropped = false, most }: FlowsQuestion,
  seen: Map<string, number>,
  capture: (target: ToolTarget) => Promise<string>,
  recent = new RecentNames(),
): Promise<FlowsReport> {
  const sampled: SampledFlow[] = [];
  let enabled = 0;
  const warnings = await readEach(await everyDaemon(kube, weftNamespace), async ({ node, healthPort, ...target }) => {
    const url = `http://127.0.0.1:${healthPort}/debug/flows?since=${seen.get(node) ?? 0}`;
    const page = readFlowPage(JSON.parse(await capture({ ...target, command: ["curl", "-sS", url] })));
    if (page.enabled) enabled++;
    seen.set(node, page.sequence);
    sampled.push(...page.flows);
  });
  if (enabled === 0 && warnings.length === 0)
    throw new ToolError("no node samples flows: set the chart's value flows.enabled to true");
  // To read all objects is the larger part of the work.
  const names = sampled.length === 0 ? undefined : await recent.of(kube);
  const flows = sampled
    .flatMap((flow) => names?.name(flow) ?? [])
    .filter((flow) => namespace === undefined || isOfNamespace(flow, namespace))
    .filter(({ verdict }) => !dropped || verdict === "dropped")
    .sort((a, b) => a.last - b.last)
    .slice(-most);
  return { data: { flows }, text: formatFlows(flows), ok: warnings.length === 0, warnings };
}

/** Flows as a table, the latest last. */
export function formatFlows(flows: readonly NamedFlow[]): string {
  const end = ({ address, holders }: NamedFlow["from"]): string =>
    holders.length === 0 ? address : `${holders.join("|")} (${address})`;
  const rows = flows.map(({ last, from, to, protocol, port, verdict, at, policy, rule, packets }) => [
    formatTime(last),
    end(from),
    end(to),
    port === undefined ? protocol : `${protocol}/${port}`,
    verdict,
    policy === undefined ? "a rule that is gone" : `${at === undefined ? "" : `${at} of `}${policy}, rule ${rule}`,
    String(packets),
  ]);
  return formatTable(["LAST", "FROM", "TO", "PORT", "VERDICT", "BY", "PACKETS"], rows);
}
