// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import type { Endpoint } from "../../reachability/endpoint.ts";
import type { Itinerary, PathOutcome } from "../../reachability/itinerary.ts";
import type { PortQuestion } from "../../reachability/port.ts";
import type { ServiceTarget } from "../../reachability/service.ts";
import type { Trace } from "../../reachability/traces.ts";
import type { ClusterModel } from "../cluster-model.ts";
import { centralPod, everySwitch, ToolError } from "../tools/targets.ts";
import { type NodeTrace, type NodeTracing, traceOnNodes } from "./node-trace.ts";
import type { PacketTools } from "./packets.ts";

/** How the nodes are asked. */
export interface NodeAnswers extends PacketTools {
  /** The MAC that the packet is sent to; absent: found from the destination. */
  readonly mac?: string;
}

/** A path, with what the nodes do with such a packet. */
export interface NodePath extends Itinerary {
  readonly nodes?: NodeTrace;
  /** How the nodes differ from the objects. */
  readonly disagreement?: string;
}

/** What is traced. */
interface Asked {
  readonly source: Endpoint;
  readonly target: Endpoint | ServiceTarget;
  readonly port: PortQuestion;
}

const LAG =
  "the nodes have not applied the objects yet, or another program has changed them: `weftctl status` shows whether a controller leads, `weftctl diagnose` what is wrong";

/**
 * The traces with what the nodes' Open vSwitch does with the packet: one packet for each family; a Service's is shown with the backend that Open vSwitch has chosen. Where nodes
 * cannot be asked, the traces are unchanged and a warning says why. Rejects with a `KubeError`.
 */
export async function withNodeTraces(
  { network }: ClusterModel,
  { source, target, port }: Asked,
  traces: readonly Trace[],
  { kube, namespace, capture, mac }: NodeAnswers,
): Promise<{ readonly traces: readonly Trace[]; readonly warnings: readonly string[] }> {
  const unchanged = (why: string) => ({ traces, warnings: [`the nodes were not asked: ${why}`] });
  // From outside, and to a pod that is not there, no port of OVN sends anything.
  if (source.place === undefined || source.node === undefined || traces.every(({ paths }) => paths.length === 0))
    return { traces, warnings: [] };
  const found: NodeTrace[] = [];
  try {
    const [switches, southbound] = await Promise.all([
      everySwitch(kube, namespace),
      centralPod(kube, namespace, "sbctl").catch(() => undefined),
    ]);
    const places = new Map(switches.map(({ node, ...where }) => [node, where]));
    const tracing: NodeTracing = { network, capture, southbound, switches: places };
    const service = "backends" in target && "port" in target.port && Object.keys(target.virtual).length > 0;
    const [addresses, dialled] = service ? [target.virtual, target.port] : [destinationsOf(traces), port];
    for (const family of ["v4", "v6"] as const) {
      const [from, to] = [source.source[family], addresses[family]];
      if (from === undefined || to === undefined) continue;
      const question = {
        from: source,
        source: from,
        destination: to,
        port: dialled,
        ...(mac !== undefined && { mac }),
      };
      found.push(await traceOnNodes(tracing, question));
    }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    return unchanged(error.message);
  }
  return { traces: placed(traces, found), warnings: [] };
}

/** The destination of the first path of each family: of a Service without an address, its first backend's. */
function destinationsOf(traces: readonly Trace[]): Endpoint["destination"] {
  const of = (six: boolean) =>
    traces
      .flatMap(({ paths }) => paths.flatMap(({ destination }) => parseIp(destination) ?? []))
      .find(({ family }) => (family === 6) === six);
  const [v4, v6] = [of(false), of(true)];
  return { ...(v4 && { v4 }), ...(v6 && { v6 }) };
}

/** Puts each node trace to the path to its destination, or else to the first path of its family. */
function placed(traces: readonly Trace[], found: readonly NodeTrace[]): readonly Trace[] {
  const of = new Map<Itinerary, NodeTrace>();
  for (const nodes of found) {
    const paths = traces.flatMap((trace) => trace.paths).filter(({ family }) => family === nodes.family);
    const path = paths.find(({ destination }) => destination === nodes.destination) ?? paths[0];
    if (path !== undefined) of.set(path, nodes);
  }
  return traces.map((trace): Trace => {
    const paths = trace.paths.map((path) => {
      const nodes = of.get(path);
      return nodes === undefined ? path : compared(path, nodes);
    });
    const worst = WORST_FIRST.find((outcome) => paths.some(({ verdict }) => verdict === outcome));
    return { ...trace, paths, verdict: trace.verdict === "dropped" ? "dropped" : (worst ?? trace.verdict) };
  });
}

const WORST_FIRST: readonly PathOutcome[] = ["dropped", "uncertain", "leaves", "delivered"];

/** What nodes do counts where they drop a packet; where they deliver one that is to be dropped, this is said. */
function compared(path: Itinerary, nodes: NodeTrace): NodePath {
  if (nodes.outcome === "dropped" && path.verdict !== "dropped") {
    const drop = nodes.steps.at(-1);
    return {
      ...{ ...path, nodes, verdict: "dropped" },
      droppedBy: `${drop?.at}: ${drop?.what}`,
      disagreement: "the objects allow it, but the nodes drop it",
      remedy: LAG,
    };
  }
  if (nodes.outcome === "pod" && path.verdict === "dropped")
    return { ...path, nodes, disagreement: `the objects drop it, but the nodes still deliver it: ${LAG}` };
  return { ...path, nodes };
}
