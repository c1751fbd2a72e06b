// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../kube/kube.ts";
import { embedded } from "../install/embedded.ts";
import { isTree, type Values } from "../install/helm-run.ts";
import { type NodeResult, type NodeTask, withNodePods } from "../node-pods.ts";
import type { Check } from "./check.ts";
import type { ClusterFacts } from "./facts.ts";
import { checkNodeView } from "./node-checks.ts";
import type { NodeView } from "./node-view.ts";
import { type CentralChoice, portsBetweenNodes } from "./ports.ts";

/** How long a node's pod probes the others before it reports that they do not answer. */
const ANSWER_MS = 10_000;
const SILENT = "its kubelet does not report: not checked";
/** Deadline of a pod, with the pull of its image. */
const TIMEOUT_MS = 180_000;

/**
 * Checks each Linux node whose kubelet reports, by two short-lived pods there: one answers on the ports that nodes
 * need, one checks the node and probes the others. Nothing is written on the nodes, and the pods are removed in any
 * case. If Weft runs it uses these ports, and they are not probed.
 */
export async function checkNodes(
  kube: Kube,
  facts: ClusterFacts,
  values: Values,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const linux = facts.nodes.filter(({ os }) => os === "linux");
  // No pod would start there, and the others would wait for its answer.
  const nodes = linux.filter(({ reports }) => reports);
  const names = nodes.map(({ name }) => name);
  const free = facts.deployed === undefined;
  const peers = nodes.flatMap(({ internalIps }) => internalIps);
  const look = task(values, namespace, "look", ["env-check-node", ...lookOptions(values), ...(free ? peers : [])], {
    securityContext: { capabilities: { add: ["NET_ADMIN"] } },
    volumeMounts: [{ name: "host", mountPath: "/host", readOnly: true, recursiveReadOnly: "IfPossible" }],
  });
  const looked = (): Promise<ReadonlyMap<string, NodeResult>> =>
    withNodePods(kube, names, look, signal, (running) => running.results());
  const answer = task(values, namespace, "answer", ["env-check-answer", ...centralOptions(values)], {
    // All ports are open once the last of them is.
    readinessProbe: {
      tcpSocket: { port: portsBetweenNodes(centralsIn(values)).tcp.at(-1) },
      periodSeconds: 1,
      failureThreshold: 60,
    },
  });
  const results = free
    ? await withNodePods(kube, names, answer, signal, async (running) => {
        await running.allRunning();
        return await looked();
      })
    : await looked();
  const silent = linux.filter(({ reports }) => !reports);
  return [
    ...[...results].flatMap(([name, result]) => judged(name, result, values, free)),
    ...silent.map(({ name }): Check => ({ subject: `node ${name}`, name: "node", result: "skipped", found: SILENT })),
  ];
}

function judged(name: string, result: NodeResult, values: Values, free: boolean): readonly Check[] {
  const why = result.ended ? undefined : result.why;
  const view = result.ended ? viewOf(result.message) : undefined;
  if (view === undefined) {
    const found = why ?? (result.ended ? `exit code ${result.exitCode}: ${result.message}` : "");
    return [
      {
        subject: `node ${name}`,
        name: "node",
        result: "failed",
        found,
        advice: "make sure that the node can pull the image (--image) and run pods",
      },
    ];
  }
  const checks = checkNodeView(name, view, values);
  if (free) return checks;
  return checks.map((check) =>
    check.name === "ports" ? { ...check, result: "skipped" as const, found: "Weft runs and uses them" } : check,
  );
}

function centralsIn({ central, tls }: Values): CentralChoice {
  const centrals = isTree(central) && typeof central["replicas"] === "number" ? central["replicas"] : 1;
  return { centrals, tls: isTree(tls) && tls["enabled"] === true };
}

function centralOptions(values: Values): readonly string[] {
  const { centrals, tls } = centralsIn(values);
  return [`--centrals=${centrals}`, ...(tls ? ["--tls"] : [])];
}

function lookOptions(values: Values): readonly string[] {
  const daemon = isTree(values["daemon"]) ? values["daemon"] : {};
  return [
    "--root=/host",
    "--message=/dev/termination-log",
    `--conf-dir=${String(daemon["cniConfDir"] ?? "/etc/cni/net.d")}`,
    `--tunnel-interface=${String(values["tunnelInterface"] ?? "")}`,
    ...centralOptions(values),
    `--timeout=${ANSWER_MS}`,
  ];
}

/** A pod of Weft's image, which has `weftctl`. */
function task(values: Values, namespace: string, name: string, args: readonly string[], container: object): NodeTask {
  const image = isTree(values["image"]) ? values["image"] : {};
  const secrets = image["pullSecrets"];
  return {
    name: `weft-env-check-${name}`,
    namespace,
    image: `${String(image["repository"])}:${String(image["tag"] || embedded().version)}`,
    pullPolicy: String(image["pullPolicy"] ?? "IfNotPresent"),
    pullSecrets: Array.isArray(secrets) ? secrets.map(String) : [],
    command: ["weftctl", ...args],
    pod: { volumes: [{ name: "host", hostPath: { path: "/", type: "Directory" } }] },
    container,
    timeoutMs: TIMEOUT_MS,
  };
}

/** The output of Weft's own program; undefined if there is none. */
function viewOf(message: string): NodeView | undefined {
  try {
    const view: unknown = JSON.parse(message);
    return isTree(view) && Array.isArray(view["modules"]) && Array.isArray(view["unreachable"])
      ? (view as unknown as NodeView)
      : undefined;
  } catch {
    return undefined;
  }
}
