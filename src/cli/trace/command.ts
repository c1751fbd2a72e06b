// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../kube/kube.ts";
import type { Endpoint } from "../../reachability/endpoint.ts";
import { EndpointError } from "../../reachability/endpoint.ts";
import { explain } from "../../reachability/explain.ts";
import { type PortQuestion, parsePort } from "../../reachability/port.ts";
import { explainService, type ServiceTarget } from "../../reachability/service.ts";
import { type Trace, traceExplained, traceService } from "../../reachability/traces.ts";
import { buildClusterModel, type ClusterModel, readObjects } from "../cluster-model.ts";
import { findSources, findTarget, parseEndpoint } from "../endpoint-arguments.ts";
import type { ExplainReport } from "../explain.ts";
import { hostEndpoints, parseDestination, resolveHost } from "./destination.ts";
import { formatTrace } from "./format.ts";
import { type NodeAnswers, withNodeTraces } from "./on-nodes.ts";
import { type TraceWithPackets, withPackets } from "./with-packets.ts";

/** The forms of the arguments PROTO and PORT: as in `kubectl ko trace`, or as in `policy explain`. */
export function portArgument(protocol: string | undefined, port: string | undefined): PortQuestion {
  const text = protocol === undefined ? "icmp" : port === undefined ? protocol : `${protocol}/${port}`;
  const parsed = parsePort(text);
  if (typeof parsed === "string") throw new EndpointError(parsed);
  if (!("port" in parsed) && parsed.protocol !== "ICMP" && /^(tcp|udp|sctp)$/i.test(text))
    throw new EndpointError(`${text} has ports: give one, such as ${text} 80`);
  return parsed;
}

/** What is traced: FROM, TO, and the protocol and port as written. */
export type TraceArguments = readonly [
  from: string,
  to: string,
  protocol?: string | undefined,
  port?: string | undefined,
];

/** What is done besides the computation from the objects. */
export interface TraceOptions {
  /** The nodes' Open vSwitch is asked. */
  readonly nodes?: NodeAnswers;
  /** Real packets are sent; needs `nodes`. */
  readonly packets?: boolean;
}

/**
 * Answers `trace POD DEST [PROTO PORT]`. Rejects with an `EndpointError`, a `KubeError`, or a `ToolError` where packets cannot be sent.
 */
export async function traceCommand(
  kube: Kube,
  namespace: string,
  [from, to, protocol, port]: TraceArguments,
  { nodes, packets = false }: TraceOptions = {},
): Promise<ExplainReport> {
  const asked = portArgument(protocol, port);
  const fromEnd = parseEndpoint(from, namespace);
  const model = buildClusterModel(await readObjects(kube));
  const { network, warnings } = model;
  const toEnd = parseDestination(to, namespace, (of, name) => network.facts.get("pods", `${of}/${name}`) !== undefined);
  const [sources, targets] = await Promise.all([
    findSources(kube, network, fromEnd),
    toEnd.kind === "host"
      ? resolveHost(toEnd.name).then((found) => hostEndpoints(network, toEnd.name, found))
      : findTarget(kube, network, toEnd, asked).then((found) => ["endpoint" in found ? found.endpoint : found.service]),
  ]);
  const traces: Trace[] = [];
  const notes = new Set(warnings);
  if (toEnd.kind === "host") notes.add(`${toEnd.name} was resolved here; the pod's DNS may give other addresses`);
  for (const source of sources)
    for (const target of targets) {
      const question = { source, target, port: asked };
      const computed = tracesTo(model, source, target, asked);
      const seen = nodes && (await withNodeTraces(model, question, computed, nodes));
      for (const note of seen?.warnings ?? []) notes.add(note);
      const shown = seen?.traces ?? computed;
      traces.push(...(nodes !== undefined && packets ? await withPackets(network, question, shown, nodes) : shown));
    }
  return {
    data: traces.length === 1 ? traces[0] : traces,
    text: traces.map(formatTrace).join("\n"),
    ok: traces.every(arrives),
    warnings: [...notes],
  };
}

function arrives(trace: Trace | TraceWithPackets): boolean {
  const { verdict } = trace;
  return (verdict === "delivered" || verdict === "leaves") && !("packetsDisagree" in trace);
}

function tracesTo(
  { network, book }: ClusterModel,
  from: Endpoint,
  target: Endpoint | ServiceTarget,
  port: PortQuestion,
): readonly Trace[] {
  if ("backends" in target) return traceService(network, from, target, explainService(network, book, from, target));
  return [traceExplained(network, explain(network, book, { from, to: target, port }), from, target)];
}
